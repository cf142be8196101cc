#!/bin/sh
# Makes the heads that the binary carries, each by one command. What they are worth stands in the card
# of each, beside what no understanding at all would be worth.
#
#     assets/heads/build.sh PROGRAM DATA CORPUS OUT [NAME...]
#
# PROGRAM is electroscope, built for release; DATA holds the data sets by the names below; CORPUS holds
# free English text, a paragraph a line. OUT/NAME becomes the checkpoint of each. On two busy cores all
# of them took about an hour; the same thread count gives the same numbers.
set -eu
program=$1 data=$2 corpus=$3 out=$4
shift 4
[ $# -gt 0 ] || set -- errors acceptability sentiment qa pos entities

synthetic_errors() {
    # Text under licences that let a model be shipped, of many kinds.
    for shard in 004-wikinews 005-openstax 006-standardebooks 007-novels 010-blogs 011-docs; do
        printf -- '--synthetic-errors %s ' "$corpus/$shard.txt.zst"
    done
}
text_note='Clean text of Wikinews (CC BY 2.5), OpenStax (CC BY 4.0), Standard Ebooks (public domain), novels of ELTeC and others (public domain, CC BY 4.0), public blogs and technical documentation (CC BY, CC BY-SA, MIT, BSD, public domain), with errors put in; misspellings from codespell and Wikipedia (CC BY-SA 3.0).'

for name in "$@"; do
    case $name in
    errors)
        # Real corrections and correct sentences of the same sources, agreement errors of Wikipedia, and
        # synthetic errors for the kinds that people who write documentation seldom make.
        split=$out/split
        mkdir -p "$split"
        python3 "$(dirname "$0")/split_by_source.py" "$data/doc-fixes" "$split"
        zstd -dc "$data/wikedits-agreement/train.conll.zst" |
            awk 'BEGIN { RS = ""; ORS = "\n\n" } NR <= 5000' >"$split/agreement.conll"
        zstd -dc "$data/wikedits-agreement/train.conll.zst" |
            python3 "$(dirname "$0")/columns_to_spans.py" 30001 31500 >"$split/agreement.evidence.jsonl"
        # shellcheck disable=SC2046
        "$program" finetune tagging $(synthetic_errors) --synthetic-sentences 35000 \
            --misspellings "$data/misspellings/misspellings.train.tsv" \
            --train "$split/corrections.tagger.jsonl" --train "$split/clean.tagger.jsonl" \
            --train "$split/agreement.conll" \
            --dev "$data/doc-fixes/dev.jsonl" --dev "$data/conll-gec/conll2013.spans.jsonl" \
            --dev "$data/jfleg/dev.spans.jsonl" \
            --lora 32 --learning-rate 1e-3 --epochs 1 --evaluate-every 5000 --licence CC-BY-SA-4.0 \
            --data-note "Real corrections and correct sentences of public repositories of documentation (licences open; CC BY-SA 4.0 covers them), sentences of Wikipedia with agreement errors (WikEd, CC BY-SA 3.0). $text_note Measured on held-out corrections, CoNLL-2013 and JFLEG (the last two for research only), from which nothing was learnt." \
            --out "$out/$name"
        ;;
    evidence)
        # After `errors` has been exported into this folder and the program has been built again: the model
        # that joins the tagger with the discriminator and a dictionary, on sources that the tagger has
        # not seen. OUT/evidence.json goes to assets/evidence.json.
        "$program" finetune evidence --train "$out/split/corrections.evidence.jsonl" \
            --train "$out/split/clean.evidence.jsonl" \
            --train "$out/split/agreement.evidence.jsonl" --limit 4500 \
            --clean "$data/doc-fixes/clean.dev.jsonl" --false-alarms 0.006 \
            --dev "$data/doc-fixes/dev.jsonl" --dev "$data/jfleg/dev.spans.jsonl" \
            --dev "$data/conll-gec/conll2013.spans.jsonl" --dev "$data/cweb/cweb-g.dev.spans.jsonl" \
            --out "$out/evidence.json"
        ;;
    acceptability)
        # shellcheck disable=SC2046
        "$program" finetune classification --task cola $(synthetic_errors) --synthetic-sentences 60000 \
            --dev "$data/cola" \
            --lora 16 --epochs 1 --evaluate-every 250 --licence CC-BY-SA-4.0 \
            --data-note "$text_note Measured on CoLA (for research only), from which nothing was learnt." \
            --out "$out/$name"
        ;;
    sentiment)
        # The table is made by label_sentiment.py beside this, from the texts in the note:
        #     python label_sentiment.py "$data/sentiment.tsv" 30000 "$data"/ud-english-ewt/en_ewt-ud-train.conllu \
        #         "$corpus"/004-wikinews.txt.zst "$corpus"/007-novels.txt.zst "$corpus"/009-podcasts.txt.zst \
        #         "$corpus"/010-blogs.txt.zst "$corpus"/013-misc.txt.zst
        # What word lists say is soon learnt; more of it is learnt at the cost of the rest.
        "$program" finetune classification --task sst2 --train "$data/sentiment.tsv" --text sentence \
            --dev "$data/glue-sst2" \
            --lora 16 --epochs 0.5 --learning-rate 5e-4 --evaluate-every 100 --licence CC-BY-SA-4.0 \
            --data-note 'Sentences of the English Web Treebank (CC BY-SA 4.0), Wikinews (CC BY 2.5), novels (public domain, CC BY 4.0), podcasts of Changelog (CC BY-SA 4.0), public blogs (CC BY, CC0, MIT) and others (CC BY-SA 3.0, public domain), labelled by two word lists (VADER and TextBlob, MIT) with assets/heads/label_sentiment.py. Measured on SST-2 (for research only), from which nothing was learnt.' \
            --out "$out/$name"
        ;;
    qa)
        "$program" finetune qa --train "$data/squad/train.json" --train "$data/qamr/train.json" \
            --dev "$data/squad/dev.json" \
            --lora 16 --epochs 1 --licence CC-BY-SA-4.0 \
            --data-note 'A part of SQuAD 1.1 and 2.0 (CC BY-SA 4.0) and QAMR (MIT; text of Wikipedia and Wikinews, CC BY-SA and CC BY), in splits of our own: the scores are not to be compared with published ones.' \
            --out "$out/$name"
        ;;
    pos)
        "$program" finetune tagging --train "$data/ud-english-ewt/en_ewt-ud-train.conllu" \
            --dev "$data/ud-english-ewt/en_ewt-ud-dev.conllu" \
            --lora 16 --epochs 3 --licence CC-BY-SA-4.0 \
            --data-note 'Universal Dependencies, English Web Treebank (CC BY-SA 4.0).' \
            --out "$out/$name"
        ;;
    entities)
        "$program" finetune tagging --train "$data/wnut17-ner/wnut17train.conll" \
            --dev "$data/wnut17-ner/emerging.dev.conll" \
            --lora 16 --epochs 6 --licence CC-BY-4.0 \
            --data-note 'WNUT-17, emerging entities in text of users (CC BY 4.0).' \
            --out "$out/$name"
        ;;
    *)
        echo "build.sh: no head is called $name" >&2
        exit 2
        ;;
    esac
done
