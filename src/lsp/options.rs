//! What a client may set, at the start (`initializationOptions`) and later
//! (`workspace/didChangeConfiguration`).

use gen_lsp_types::DiagnosticSeverity;
use serde_json::Value;

use crate::settings::Lens;

/// The options by their names in the protocol.
const NAMES: [&str; 7] = [
    "lens",
    "threshold",
    "suggestions",
    "severity",
    "diagnostics",
    "model",
    "head",
];

/// What is set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    pub(super) lens: Lens,
    /// The threshold that was asked for; without one that of settings and model.
    pub(super) threshold: Option<f32>,
    /// Replacements that are offered for a word, at most.
    pub(super) suggestions: usize,
    /// Of all diagnostics; without one by the lens.
    pub(super) severity: Option<DiagnosticSeverity>,
    /// Whether diagnostics are pushed even to a client that pulls.
    pub(super) always_pushes: bool,
    /// The discriminator, if not that of the settings. Read once, at the start.
    pub(super) model: Option<String>,
    /// The head that marks errors, likewise.
    pub(super) head: Option<String>,
}

impl Options {
    pub(super) fn new(lens: Lens, threshold: Option<f32>) -> Options {
        Options {
            lens,
            threshold,
            suggestions: 5,
            severity: None,
            always_pushes: false,
            model: None,
            head: None,
        }
    }

    /// Takes up what a client says, which may be nothing or stand under `electroscope`. What cannot be
    /// taken is left as it is; the sentences say why.
    pub(super) fn take(&mut self, said: &Value) -> Vec<String> {
        let said = said.get("electroscope").unwrap_or(said);
        let Some(said) = said.as_object() else {
            return match said {
                Value::Null => Vec::new(),
                other => vec![format!("the options must be an object, not {other}")],
            };
        };
        let mut wrong = Vec::new();
        for (name, value) in said {
            if let Err(wanted) = self.set(name, value) {
                wrong.push(format!("the option {name} is {value}; {wanted}"));
            }
        }
        wrong
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let choice = || value.as_str().unwrap_or_default();
        match name {
            "lens" => {
                self.lens = match choice() {
                    "errors" => Lens::Errors,
                    "replaced" => Lens::Replaced,
                    _ => return Err("it must be \"errors\" or \"replaced\"".to_owned()),
                }
            }
            "threshold" if value.is_null() => self.threshold = None,
            "threshold" => match value.as_f64() {
                Some(p) if (0.0..=1.0).contains(&p) => self.threshold = Some(p as f32),
                _ => return Err("it must be a number from 0 to 1".to_owned()),
            },
            "suggestions" => match value.as_u64() {
                Some(count @ 0..=20) => self.suggestions = count as usize,
                _ => return Err("it must be a number from 0 to 20".to_owned()),
            },
            "severity" => {
                self.severity = Some(match choice() {
                    "error" => DiagnosticSeverity::Error,
                    "warning" => DiagnosticSeverity::Warning,
                    "information" => DiagnosticSeverity::Information,
                    "hint" => DiagnosticSeverity::Hint,
                    _ => {
                        return Err(
                            "it must be \"error\", \"warning\", \"information\" or \"hint\""
                                .to_owned(),
                        );
                    }
                })
            }
            "diagnostics" => match choice() {
                "auto" => self.always_pushes = false,
                "push" => self.always_pushes = true,
                _ => return Err("it must be \"auto\" or \"push\"".to_owned()),
            },
            "model" | "head" => {
                let Some(given) = value.as_str().filter(|given| !given.is_empty()) else {
                    return Err("it must be a name".to_owned());
                };
                match name {
                    "model" => self.model = Some(given.to_owned()),
                    _ => self.head = Some(given.to_owned()),
                }
            }
            _ => return Err(format!("there are {}", NAMES.join(", "))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_stand_alone_or_under_the_name_of_the_program() {
        let mut options = Options::new(Lens::Errors, None);
        assert!(options.take(&Value::Null).is_empty());
        assert!(
            options
                .take(&json!({"lens": "replaced", "suggestions": 2}))
                .is_empty()
        );
        assert!(
            options
                .take(&json!({"electroscope": {"threshold": 0.5}}))
                .is_empty()
        );
        assert_eq!(options.lens, Lens::Replaced);
        assert_eq!((options.suggestions, options.threshold), (2, Some(0.5)));
    }

    #[test]
    fn what_is_no_option_is_told_and_the_others_are_taken() {
        let mut options = Options::new(Lens::Errors, None);
        let wrong = options.take(&json!({"treshold": 1, "threshold": 2, "severity": "hint"}));
        assert_eq!(
            wrong,
            [
                "the option threshold is 2; it must be a number from 0 to 1",
                "the option treshold is 1; there are lens, threshold, suggestions, severity, \
                 diagnostics, model, head",
            ]
        );
        assert_eq!(options.severity, Some(DiagnosticSeverity::Hint));
        assert_eq!(
            options.take(&json!(3)),
            ["the options must be an object, not 3"]
        );
    }
}
