//! What a `tokenizer.json` may ask for, looked at before the `tokenizers` crate sees the file.
//!
//! The format can describe far more than the tokenizers of ELECTRA, BERT and DistilBERT use, and some of
//! it takes memory without end (nested `Replace`), or panics (a broken `Precompiled`). Only what those
//! three use is accepted; the rest is refused by its name.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// More bytes than the file of any such tokenizer has: the largest vocabularies take about 10 MB.
pub(super) const MOST_BYTES: usize = 32 << 20;

/// More tokens than any such vocabulary has.
pub(super) const MOST_TOKENS: usize = 1 << 20;

/// More tokens than anybody adds to a vocabulary.
pub(super) const MOST_ADDED: usize = 1 << 14;

/// How deep sequences of normalizers or pre-tokenizers may be nested, and how long each may be.
const DEEPEST: usize = 4;
const LONGEST: usize = 16;

const NORMALIZERS: [&str; 8] = [
    "BertNormalizer",
    "Lowercase",
    "StripAccents",
    "Strip",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
];

const PRE_TOKENIZERS: [&str; 4] = [
    "BertPreTokenizer",
    "Whitespace",
    "WhitespaceSplit",
    "Punctuation",
];

const POST_PROCESSORS: [&str; 2] = ["BertProcessing", "TemplateProcessing"];

const DECODERS: [&str; 1] = ["WordPiece"];

#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<IgnoredAny>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    model: TokenizerModel,
}

#[derive(Deserialize)]
struct TokenizerModel {
    /// Missing in files of old versions, which have WordPiece's fields all the same.
    #[serde(rename = "type")]
    kind: Option<String>,
    unk_token: Option<String>,
    vocab: Vocabulary,
}

/// How many tokens there are, and whether their unknown token is among them.
struct Vocabulary {
    names: std::collections::HashSet<String>,
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tokens;

        impl<'de> Visitor<'de> for Tokens {
            type Value = Vocabulary;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with a number for each token")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut names = std::collections::HashSet::new();
                while let Some((name, _)) = map.next_entry::<String, u32>()? {
                    if names.len() >= MOST_TOKENS {
                        return Err(A::Error::custom(too_many_tokens()));
                    }
                    names.insert(name);
                }
                Ok(Vocabulary { names })
            }
        }

        deserializer.deserialize_map(Tokens)
    }
}

/// That a vocabulary has too many tokens.
pub(super) fn too_many_tokens() -> String {
    format!("it has more than {MOST_TOKENS} tokens, and no vocabulary of this kind has so many")
}

/// Looks at the `tokenizer.json` in `json`; in words, why it is not accepted.
pub(super) fn check(json: &[u8]) -> Result<(), String> {
    check_size(json)?;
    let file: TokenizerFile = serde_json::from_slice(json).map_err(|err| err.to_string())?;
    if let Some(kind) = file
        .model
        .kind
        .as_deref()
        .filter(|kind| *kind != "WordPiece")
    {
        return Err(format!(
            "its model is {kind:?}, and only WordPiece can be read, which ELECTRA, BERT and DistilBERT use"
        ));
    }
    let unknown = file.model.unk_token.as_deref().unwrap_or("[UNK]");
    if !file.model.vocab.names.contains(unknown) {
        return Err(format!(
            "its unk_token {unknown:?} is not in its vocabulary"
        ));
    }
    if file.added_tokens.len() > MOST_ADDED {
        return Err(format!(
            "it adds {} tokens, and at most {MOST_ADDED} are read",
            file.added_tokens.len()
        ));
    }
    let parts: [(&str, &Value, &[&str], &str); 4] = [
        ("normalizer", &file.normalizer, &NORMALIZERS, "normalizers"),
        (
            "pre-tokenizer",
            &file.pre_tokenizer,
            &PRE_TOKENIZERS,
            "pretokenizers",
        ),
        (
            "post-processor",
            &file.post_processor,
            &POST_PROCESSORS,
            "processors",
        ),
        ("decoder", &file.decoder, &DECODERS, "decoders"),
    ];
    for (part, value, known, list) in parts {
        check_part(part, value, known, list, 0)?;
    }
    Ok(())
}

/// Whether a file is short enough to be read.
pub(super) fn check_size(bytes: &[u8]) -> Result<(), String> {
    match bytes.len() {
        0..=MOST_BYTES => Ok(()),
        many => Err(format!(
            "it has {many} bytes, and no tokenizer of this kind needs more than {MOST_BYTES}"
        )),
    }
}

/// Whether `value` is one of `known`, or a sequence of those under the name `list`.
fn check_part(
    part: &str,
    value: &Value,
    known: &[&str],
    list: &str,
    depth: usize,
) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let Some(kind) = value.get("type").and_then(Value::as_str) else {
        return Err(format!("its {part} has no type"));
    };
    if kind == "Sequence" {
        let items = value.get(list).and_then(Value::as_array);
        let items = items.map_or(&[][..], Vec::as_slice);
        if depth >= DEEPEST || items.len() > LONGEST {
            return Err(format!(
                "its {part} is a sequence that is nested deeper than {DEEPEST} or longer than {LONGEST}"
            ));
        }
        return items
            .iter()
            .try_for_each(|item| check_part(part, item, known, list, depth + 1));
    }
    if known.contains(&kind) {
        return Ok(());
    }
    Err(format!(
        "its {part} is {kind:?}, which ELECTRA, BERT and DistilBERT do not use; {} can be read",
        known.join(", ")
    ))
}
