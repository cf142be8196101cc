//! Text to word pieces with the bytes they came from.
//!
//! Truncation and padding are cleared: windows are cut elsewhere, on purpose and without loss.
//! Special tokens are put around windows by their id; where a document spells one (`[SEP]`), it is
//! text like any other, so that no document can end its own window.

use std::path::Path;

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer as Inner};

use super::Error;
use super::files::{limits, read_bounded};

/// A word piece of some text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its id in the vocabulary.
    pub id: u32,
    /// Its first byte in the text.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
    /// Which pre-tokenised word it belongs to, counted from 0.
    pub word: u32,
}

/// The tokenizer of a checkpoint.
pub struct Tokenizer {
    inner: Inner,
    cls_id: u32,
    sep_id: u32,
    mask_id: u32,
    size: usize,
}

/// The tokens that every ELECTRA vocabulary has, besides `[UNK]`.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

impl Tokenizer {
    /// Opens the tokenizer in `folder`: `tokenizer.json`, else `vocab.txt`. What
    /// `tokenizer_config.json` says about the treatment of letters counts for both, as in the
    /// reference: more than one cased model has a `tokenizer.json` that lowers letters.
    ///
    /// # Errors
    ///
    /// [`Error::MissingFile`], [`Error::Read`], [`Error::Tokenizer`].
    pub fn open_folder(folder: &Path) -> Result<Tokenizer, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            read_bounded(&path, limits::VOCABULARY).map_err(|source| Error::Read { path, source })
        };
        let (json, vocabulary) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        if !json.is_file() && !vocabulary.is_file() {
            return Err(Error::MissingFile {
                folder: folder.to_owned(),
                wanted: "tokenizer.json or vocab.txt",
                found: super::listing(folder),
            });
        }
        let mut said = Said::default();
        if folder.join("tokenizer_config.json").is_file() {
            let path = folder.join("tokenizer_config.json");
            said = serde_json::from_slice(&read("tokenizer_config.json")?)
                .map_err(|source| Error::ConfigSyntax { path, source })?;
        }
        if json.is_file() {
            let inner = Inner::from_bytes(read("tokenizer.json")?);
            let corrected = inner.and_then(|mut inner| {
                said.correct(&mut inner)?;
                Ok(inner)
            });
            let inner = corrected.map_err(|err| Error::Tokenizer {
                path: json.clone(),
                what: err.to_string(),
            })?;
            return Tokenizer::new(inner, &json);
        }
        Tokenizer::from_vocabulary(&read("vocab.txt")?, said.options(), &vocabulary)
    }

    /// Reads a `tokenizer.json`; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`].
    pub fn from_json(json: &[u8], path: &Path) -> Result<Tokenizer, Error> {
        let inner = Inner::from_bytes(json).map_err(|err| Error::Tokenizer {
            path: path.to_owned(),
            what: err.to_string(),
        })?;
        Tokenizer::new(inner, path)
    }

    /// Builds BERT's tokenizer over a vocabulary, a token per line; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`].
    pub fn from_vocabulary(
        vocabulary: &[u8],
        options: VocabularyOptions,
        path: &Path,
    ) -> Result<Tokenizer, Error> {
        let refuse = |what: String| Error::Tokenizer {
            path: path.to_owned(),
            what,
        };
        let text = std::str::from_utf8(vocabulary)
            .map_err(|err| refuse(format!("byte {} is not UTF-8", err.valid_up_to())))?;
        let vocabulary: Vec<(String, u32)> = text
            .lines()
            .map(|line| line.trim_end().to_owned())
            .zip(0..)
            .collect();
        if vocabulary.is_empty() {
            return Err(refuse("it is empty".into()));
        }
        let model = WordPiece::builder()
            .vocab(vocabulary.into_iter().collect::<ahash::AHashMap<_, _>>())
            .unk_token("[UNK]".into())
            .build()
            .map_err(|err| refuse(err.to_string()))?;
        let mut inner = Inner::new(model);
        let VocabularyOptions {
            do_lower_case,
            strip_accents,
            tokenize_chinese_chars,
        } = options;
        let normalizer =
            BertNormalizer::new(true, tokenize_chinese_chars, strip_accents, do_lower_case);
        inner
            .with_normalizer(Some(normalizer))
            .map_err(|err| refuse(err.to_string()))?;
        inner.with_pre_tokenizer(Some(BertPreTokenizer));
        // One that the vocabulary lacks would be added to it, with an id that the model has no row for.
        let special: Vec<AddedToken> = SPECIAL
            .into_iter()
            .filter(|token| inner.token_to_id(token).is_some())
            .map(|token| AddedToken::from(token, true))
            .collect();
        inner
            .add_special_tokens(special)
            .map_err(|err| refuse(err.to_string()))?;
        // Not for us, who put special tokens around windows ourselves, but for whoever reads what is
        // exported: without them a tokenizer.json makes no `[CLS]` and `[SEP]`, and joins no pieces.
        let special = |token: &str| Some((token.to_owned(), inner.token_to_id(token)?));
        let processor = special("[SEP]")
            .zip(special("[CLS]"))
            .map(|(sep, cls)| BertProcessing::new(sep, cls));
        inner.with_post_processor(processor);
        inner.with_decoder(Some(tokenizers::decoders::wordpiece::WordPiece::default()));
        Tokenizer::new(inner, path)
    }

    fn new(mut inner: Inner, path: &Path) -> Result<Tokenizer, Error> {
        let refuse = |what: String| Error::Tokenizer {
            path: path.to_owned(),
            what,
        };
        inner
            .with_truncation(None)
            .map_err(|err| refuse(err.to_string()))?;
        inner.with_padding(None);
        inner.set_encode_special_tokens(true);
        let id = |token: &str| {
            inner
                .token_to_id(token)
                .ok_or_else(|| refuse(format!("it has no token {token}")))
        };
        id("[UNK]")?;
        let (cls_id, sep_id, mask_id) = (id("[CLS]")?, id("[SEP]")?, id("[MASK]")?);
        let size = inner.get_vocab_size(true);
        Ok(Tokenizer {
            inner,
            cls_id,
            sep_id,
            mask_id,
            size,
        })
    }

    /// The pieces of `text` in order, without special tokens. Offsets are bytes of `text`.
    pub fn encode(&self, text: &str) -> Vec<Piece> {
        // Encoding fails only for a vocabulary without its unknown token, which cannot be opened.
        let Ok(encoding) = self.inner.encode(text, false) else {
            return Vec::new();
        };
        let columns = encoding
            .get_ids()
            .iter()
            .zip(encoding.get_offsets())
            .zip(encoding.get_word_ids());
        columns
            .map(|((&id, &(start, end)), &word)| Piece {
                id,
                start: start as u32,
                end: end as u32,
                word: word.unwrap_or(u32::MAX),
            })
            .collect()
    }

    /// The spelling of a token.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of `[CLS]`, which begins a window.
    pub fn cls_id(&self) -> u32 {
        self.cls_id
    }

    /// The id of `[SEP]`, which ends a window.
    pub fn sep_id(&self) -> u32 {
        self.sep_id
    }

    /// The id of `[MASK]`, which stands for what the generator is to guess.
    pub fn mask_id(&self) -> u32 {
        self.mask_id
    }

    /// How many tokens it knows.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The tokenizer as a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] if a part of it cannot be written.
    pub fn to_json(&self) -> Result<String, Error> {
        self.inner.to_string(false).map_err(|err| Error::Tokenizer {
            path: "tokenizer.json".into(),
            what: err.to_string(),
        })
    }

    /// The `tokenizer_config.json` that goes with it in a model of `positions` positions. Transformers
    /// takes the treatment of letters from there and not from `tokenizer.json`.
    pub fn options_json(&self, positions: usize) -> String {
        let mut options = serde_json::json!({"model_max_length": positions});
        if let Some(NormalizerWrapper::BertNormalizer(normalizer)) = self.inner.get_normalizer() {
            options["do_lower_case"] = normalizer.lowercase.into();
            options["strip_accents"] = normalizer.strip_accents.into();
            options["tokenize_chinese_chars"] = normalizer.handle_chinese_chars.into();
        }
        format!("{options:#}")
    }

    /// The spelling of every token, by id; ids without one are empty.
    pub fn vocabulary(&self) -> Vec<String> {
        let mut vocabulary = vec![String::new(); self.size];
        for (token, id) in self.inner.get_vocab(true) {
            if let Some(place) = vocabulary.get_mut(id as usize) {
                *place = token;
            }
        }
        vocabulary
    }
}

/// How BERT's tokenizer treats letters; the defaults are the reference's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VocabularyOptions {
    /// Lower the letters.
    pub do_lower_case: bool,
    /// Take accents off; if unsaid, where letters are lowered.
    pub strip_accents: Option<bool>,
    /// Make each Chinese character a word.
    pub tokenize_chinese_chars: bool,
}

impl Default for VocabularyOptions {
    fn default() -> VocabularyOptions {
        VocabularyOptions {
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
        }
    }
}

/// What `tokenizer_config.json` says of it.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Said {
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    /// `null` is a statement too: accents go where letters are lowered.
    #[serde(deserialize_with = "stated")]
    strip_accents: Option<Option<bool>>,
    tokenize_chinese_chars: Option<bool>,
}

/// A field that is there, whatever its value.
fn stated<'de, D: serde::Deserializer<'de>>(field: D) -> Result<Option<Option<bool>>, D::Error> {
    serde::Deserialize::deserialize(field).map(Some)
}

impl Said {
    /// The options for a `vocab.txt`.
    fn options(&self) -> VocabularyOptions {
        let default = VocabularyOptions::default();
        VocabularyOptions {
            do_lower_case: self.do_lower_case.unwrap_or(default.do_lower_case),
            strip_accents: self.strip_accents.unwrap_or(default.strip_accents),
            tokenize_chinese_chars: self
                .tokenize_chinese_chars
                .unwrap_or(default.tokenize_chinese_chars),
        }
    }

    /// Puts what is said in the place of what a `tokenizer.json` does. The classes that take every
    /// rule from that file do not look here either.
    fn correct(&self, inner: &mut Inner) -> tokenizers::Result<()> {
        let general = ["PreTrainedTokenizerFast", "TokenizersBackend"];
        if (self.tokenizer_class.as_deref()).is_some_and(|class| general.contains(&class)) {
            return Ok(());
        }
        let Some(NormalizerWrapper::BertNormalizer(found)) = inner.get_normalizer() else {
            return Ok(());
        };
        let wanted = BertNormalizer::new(
            found.clean_text,
            self.tokenize_chinese_chars
                .unwrap_or(found.handle_chinese_chars),
            self.strip_accents.unwrap_or(found.strip_accents),
            self.do_lower_case.unwrap_or(found.lowercase),
        );
        inner.with_normalizer(Some(wanted))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCABULARY: &[u8] = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nBoat\nboat\n##s\n";

    fn tokenizer(do_lower_case: bool) -> Tokenizer {
        let options = VocabularyOptions {
            do_lower_case,
            ..VocabularyOptions::default()
        };
        Tokenizer::from_vocabulary(VOCABULARY, options, Path::new("vocab.txt")).unwrap()
    }

    #[test]
    fn a_written_tokenizer_puts_special_tokens_around_a_text() {
        let written = tokenizer(true).to_json().unwrap();
        let alone: Inner = written.parse().unwrap();
        let encoding = alone.encode("Boats boat", true).unwrap();
        assert_eq!(
            encoding.get_tokens(),
            ["[CLS]", "boat", "##s", "boat", "[SEP]"]
        );
        assert_eq!(
            alone.decode(encoding.get_ids(), true).unwrap(),
            "boats boat"
        );
    }

    #[test]
    fn special_tokens_are_not_put_around_what_is_encoded_here() {
        let read = Tokenizer::from_json(
            tokenizer(true).to_json().unwrap().as_bytes(),
            Path::new("tokenizer.json"),
        )
        .unwrap();
        for tokenizer in [tokenizer(true), read] {
            let ids: Vec<u32> = tokenizer
                .encode("Boats")
                .iter()
                .map(|piece| piece.id)
                .collect();
            assert_eq!(ids, [6, 7]);
        }
    }

    #[test]
    fn the_treatment_of_letters_is_written_where_it_is_looked_for() {
        for do_lower_case in [true, false] {
            let json = tokenizer(do_lower_case).options_json(512);
            let said: Said = serde_json::from_str(&json).unwrap();
            assert_eq!(said.options().do_lower_case, do_lower_case, "{json}");
        }
    }

    /// The ids of `Boat` under a `tokenizer.json` that lowers letters, or a `vocab.txt`, beside this
    /// `tokenizer_config.json`.
    fn ids_under(json: bool, config: Option<&str>) -> Vec<u32> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        if json {
            write(
                "tokenizer.json",
                tokenizer(true).to_json().unwrap().as_bytes(),
            );
        } else {
            write("vocab.txt", VOCABULARY);
        }
        if let Some(config) = config {
            write("tokenizer_config.json", config.as_bytes());
        }
        let tokenizer = Tokenizer::open_folder(folder.path()).unwrap();
        let pieces = tokenizer.encode("Boat");
        pieces.iter().map(|piece| piece.id).collect()
    }

    #[test]
    fn a_cased_model_keeps_its_letters_whatever_tokenizer_json_says() {
        const CASED: u32 = 5;
        const LOWERED: u32 = 6;
        for json in [true, false] {
            let under = |config| ids_under(json, config);
            assert_eq!(under(Some(r#"{"do_lower_case": false}"#)), [CASED]);
            assert_eq!(
                under(Some(r#"{"do_lower_case": false, "strip_accents": null}"#)),
                [CASED]
            );
            assert_eq!(under(Some(r#"{"do_lower_case": true}"#)), [LOWERED]);
            assert_eq!(under(Some(r#"{"model_max_length": 512}"#)), [LOWERED]);
            assert_eq!(under(None), [LOWERED]);
        }
        let general = r#"{"do_lower_case": false, "tokenizer_class": "PreTrainedTokenizerFast"}"#;
        assert_eq!(ids_under(true, Some(general)), [LOWERED]);
    }
}
