//! Text to word pieces with the bytes they came from.
//!
//! Truncation and padding are cleared: windows are cut elsewhere, on purpose and without loss.
//! Special tokens are put around windows by their id; where a document spells one (`[SEP]`), it is
//! text like any other, so that no document can end its own window.

mod accepted;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer as Inner};

use crate::bounded_read::{limits, read_bounded};
use crate::checkpoint::files;
use crate::{Error, text_file};

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

/// The characters of a text that an error quotes.
const SHOWN: usize = 40;

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
        let read = |name: &str| -> Result<Vec<u8>, Error> {
            let path = folder.join(name);
            let bytes = read_bounded(&path, limits::VOCABULARY).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            text_file::refuse_pointer(&bytes, &path)?;
            Ok(bytes)
        };
        let (json, vocabulary) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        if !json.is_file() && !vocabulary.is_file() {
            return Err(Error::MissingFile {
                folder: folder.to_owned(),
                wanted: "tokenizer.json or vocab.txt",
                found: files::listing(folder),
            });
        }
        let mut said = Said::default();
        if folder.join("tokenizer_config.json").is_file() {
            let path = folder.join("tokenizer_config.json");
            said = text_file::parse(&read("tokenizer_config.json")?, &path)?;
        }
        if json.is_file() {
            let inner = inner_of(&read("tokenizer.json")?, &json)?;
            return Tokenizer::new(inner, Some(&said), &json);
        }
        let mut added = said.added();
        if folder.join("added_tokens.json").is_file() {
            let path = folder.join("added_tokens.json");
            let more: BTreeMap<String, u32> = text_file::parse(&read("added_tokens.json")?, &path)?;
            for (content, id) in more {
                added
                    .entry(id)
                    .or_insert_with(|| AddedToken::from(content, false));
            }
        }
        let inner = inner_from(&read("vocab.txt")?, said.options(), &vocabulary)?;
        Tokenizer::new(with_added(inner, added, &vocabulary)?, None, &vocabulary)
    }

    /// Reads a `tokenizer.json`; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`].
    pub fn from_json(json: &[u8], path: &Path) -> Result<Tokenizer, Error> {
        Tokenizer::new(inner_of(json, path)?, None, path)
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
        Tokenizer::new(inner_from(vocabulary, options, path)?, None, path)
    }

    /// Takes `inner` over, corrected by what `said` says of the treatment of letters.
    fn new(mut inner: Inner, said: Option<&Said>, path: &Path) -> Result<Tokenizer, Error> {
        let refuse = |what: String| Error::Tokenizer {
            path: path.to_owned(),
            what,
        };
        if let Some(said) = said {
            unharmed(|| said.correct(&mut inner)).map_err(refuse)?;
        }
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
        // What can fail or panic fails on these: unknown letters, a long word, accents, signs.
        let trial = format!("A naïve \u{10fffd} 語 \u{301}, {} \u{0}.", "x".repeat(200));
        unharmed(|| inner.encode(trial, false))
            .map_err(|err| refuse(format!("it cannot encode a text: {err}")))?;
        Ok(Tokenizer {
            inner,
            cls_id,
            sep_id,
            mask_id,
            size,
        })
    }

    /// The pieces of `text` in order, without special tokens. Offsets are bytes of `text`.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] for a text of more than 4 GiB, and if the tokenizer fails on it. Tokenizers that
    /// fail on the texts they are tried with are refused when they are opened.
    pub fn encode(&self, text: &str) -> Result<Vec<Piece>, Error> {
        let refuse = |what: String| Error::Encode {
            start: text.chars().take(SHOWN).collect(),
            bytes: text.len(),
            what,
        };
        // Places are numbers of 32 bits.
        if u32::try_from(text.len()).is_err() {
            return Err(refuse("at most 4 GiB are read at once".to_owned()));
        }
        let encoding = unharmed(|| self.inner.encode(text, false)).map_err(refuse)?;
        let columns = encoding
            .get_ids()
            .iter()
            .zip(encoding.get_offsets())
            .zip(encoding.get_word_ids());
        let pieces = columns.map(|((&id, &(start, end)), &word)| Piece {
            id,
            start: start as u32,
            end: end as u32,
            word: word.unwrap_or(u32::MAX),
        });
        Ok(pieces.collect())
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

/// BERT's tokenizer over a vocabulary, a token per line.
fn inner_from(vocabulary: &[u8], options: VocabularyOptions, path: &Path) -> Result<Inner, Error> {
    let refuse = |what: String| Error::Tokenizer {
        path: path.to_owned(),
        what,
    };
    accepted::check_size(vocabulary).map_err(refuse)?;
    if vocabulary.iter().filter(|&&byte| byte == b'\n').count() > accepted::MOST_TOKENS {
        return Err(refuse(accepted::too_many_tokens()));
    }
    let text = std::str::from_utf8(text_file::without_byte_order_mark(vocabulary))
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
    Ok(inner)
}

/// The tokenizer of a `tokenizer.json`, which is checked first.
fn inner_of(json: &[u8], path: &Path) -> Result<Inner, Error> {
    text_file::refuse_pointer(json, path)?;
    let refuse = |what: String| Error::Tokenizer {
        path: path.to_owned(),
        what,
    };
    let json = text_file::without_byte_order_mark(json);
    accepted::check(json).map_err(refuse)?;
    unharmed(|| Inner::from_bytes(json)).map_err(refuse)
}

/// What `work` of the `tokenizers` crate gives; a panic in it is an error as any other.
fn unharmed<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|err| err.to_string()),
        Err(_) => Err("the tokenizers library panicked on it".to_owned()),
    }
}

/// The same tokenizer with the tokens that were added to its vocabulary, by their ids.
fn with_added(
    mut inner: Inner,
    added: BTreeMap<u32, AddedToken>,
    path: &Path,
) -> Result<Inner, Error> {
    let refuse = |what: String| Error::Tokenizer {
        path: path.to_owned(),
        what,
    };
    if added.len() > accepted::MOST_ADDED {
        return Err(refuse(format!(
            "{} tokens are added to it, and at most {} are read",
            added.len(),
            accepted::MOST_ADDED
        )));
    }
    let wanted: Vec<(u32, String)> = (added.iter())
        .map(|(&id, token)| (id, token.content.clone()))
        .collect();
    let known = |token: &AddedToken| SPECIAL.contains(&token.content.as_str());
    let tokens: Vec<AddedToken> = added.into_values().filter(|token| !known(token)).collect();
    unharmed(|| inner.add_tokens(tokens)).map_err(refuse)?;
    for (id, content) in wanted {
        if inner.token_to_id(&content) != Some(id) {
            return Err(refuse(format!(
                "the token {content:?} is to be added with the id {id}, which is not the next one of \
                 the vocabulary"
            )));
        }
    }
    Ok(inner)
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
    /// Tokens that were added to the vocabulary, by their ids.
    added_tokens_decoder: BTreeMap<u32, SaidToken>,
}

/// A token that was added to the vocabulary.
#[derive(Clone, serde::Deserialize)]
struct SaidToken {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
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

    /// The tokens that were added to a `vocab.txt`. None is special but those that every vocabulary has:
    /// where a document spells one, it is one token, as in the reference.
    fn added(&self) -> BTreeMap<u32, AddedToken> {
        let token = |said: &SaidToken| {
            AddedToken::from(said.content.clone(), false)
                .single_word(said.single_word)
                .lstrip(said.lstrip)
                .rstrip(said.rstrip)
                .normalized(said.normalized.unwrap_or(!said.special))
        };
        let tokens = self.added_tokens_decoder.iter();
        tokens.map(|(&id, said)| (id, token(said))).collect()
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
                .unwrap()
                .iter()
                .map(|piece| piece.id)
                .collect();
            assert_eq!(ids, [6, 7]);
        }
    }

    #[test]
    fn a_text_that_cannot_be_encoded_is_an_error_that_quotes_it() {
        let mut broken = tokenizer(true);
        // Its word for what it does not know is not in the vocabulary.
        let model = WordPiece::builder()
            .vocab([("boat".to_owned(), 6)])
            .unk_token("<none>".into())
            .build()
            .unwrap();
        broken.inner.with_model(model);
        assert_eq!(broken.encode("boat").unwrap().len(), 1);
        let said = broken.encode("boat walrus").unwrap_err().to_string();
        assert!(
            said.starts_with(
                "the tokenizer failed on a text of 11 bytes that begins with \"boat walrus\": "
            ),
            "{said}"
        );
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
        let pieces = tokenizer.encode("Boat").unwrap();
        pieces.iter().map(|piece| piece.id).collect()
    }

    /// The pieces of `text` under the vocabulary and these other files of a tokenizer.
    fn pieces_with(files: &[(&str, &str)], text: &str) -> Result<Vec<u32>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vocab.txt"), VOCABULARY).unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let tokenizer = Tokenizer::open_folder(folder.path()).map_err(|err| err.to_string())?;
        let pieces = tokenizer.encode(text).map_err(|err| err.to_string())?;
        Ok(pieces.iter().map(|piece| piece.id).collect())
    }

    #[test]
    fn tokens_that_were_added_to_a_vocabulary_are_one_piece() {
        let json = [("added_tokens.json", r#"{"<user>": 8, "<bot>": 9}"#)];
        assert_eq!(pieces_with(&json, "boat <user> boat").unwrap(), [6, 8, 6]);
        let config = r#"{"added_tokens_decoder": {"0": {"content": "[PAD]", "special": true},
            "8": {"content": "<user>", "special": true, "normalized": false}}}"#;
        let config = [("tokenizer_config.json", config)];
        assert_eq!(pieces_with(&config, "boat <user>").unwrap(), [6, 8]);
        let both = [config[0], json[0]];
        assert_eq!(pieces_with(&both, "<bot><user>").unwrap(), [9, 8]);
        // As for every special token: no document ends its own window.
        assert!(!pieces_with(&config, "[PAD]").unwrap().contains(&0));
        let gap = pieces_with(&[("added_tokens.json", r#"{"<user>": 11}"#)], "");
        assert!(
            gap.unwrap_err()
                .contains("\"<user>\" is to be added with the id 11")
        );
    }

    #[test]
    fn a_byte_order_mark_changes_nothing_and_a_pointer_is_called_one() {
        let marked = [(
            "tokenizer_config.json",
            "\u{feff}{\"do_lower_case\": false}",
        )];
        assert_eq!(pieces_with(&marked, "Boat").unwrap(), [5]);
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
        for name in ["tokenizer.json", "vocab.txt", "tokenizer_config.json"] {
            let said = pieces_with(&[(name, pointer)], "Boat").unwrap_err();
            assert!(
                said.contains(name) && said.contains("git lfs pull"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_tokenizer_json_that_asks_for_more_than_electra_uses_is_refused_by_name() {
        let sound: serde_json::Value =
            serde_json::from_str(&tokenizer(true).to_json().unwrap()).unwrap();
        let replace =
            serde_json::json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
        let nested = serde_json::json!({"type": "Sequence", "normalizers": [
            {"type": "Lowercase"}, {"type": "Sequence", "normalizers": [replace]}]});
        let charsmap = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
        let split = serde_json::json!({"type": "FixedLength", "length": 0});
        let many: Vec<_> = (0..20_000)
            .map(|id| serde_json::json!({"id": id, "content": format!("t{id}")}))
            .collect();
        let said: Vec<String> = [
            ("/normalizer", charsmap),
            ("/normalizer", nested),
            ("/pre_tokenizer", split),
            ("/post_processor", serde_json::json!({"type": "ByteLevel"})),
            ("/decoder", serde_json::json!({"type": "Fuse"})),
            ("/model/type", "Unigram".into()),
            ("/model/unk_token", "<unk>".into()),
            ("/added_tokens", many.into()),
        ]
        .into_iter()
        .map(|(place, value)| {
            let mut json = sound.clone();
            *json.pointer_mut(place).unwrap() = value;
            let json = json.to_string();
            let refused = Tokenizer::from_json(json.as_bytes(), Path::new("t.json"));
            refused.err().unwrap().to_string()
        })
        .collect();
        insta::assert_snapshot!(said.join("\n"));
        assert!(Tokenizer::from_json(sound.to_string().as_bytes(), Path::new("t.json")).is_ok());
    }

    #[test]
    fn a_vocabulary_past_all_sizes_is_refused_before_it_is_built() {
        let lines = "a\n".repeat(accepted::MOST_TOKENS + 1);
        let options = VocabularyOptions::default();
        let refused = Tokenizer::from_vocabulary(lines.as_bytes(), options, Path::new("vocab.txt"));
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("more than 1048576 tokens"), "{said}");
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
