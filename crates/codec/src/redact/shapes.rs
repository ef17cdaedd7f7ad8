//! What secrets look like.

use std::sync::LazyLock;

use regex_automata::meta::Regex;

/// A secret's shape: the word that replaces it, the pattern, and what else must hold.
///
/// Length bounds are those of the shape or lower: a key that was cut short is still most of a key.
pub(super) const SHAPES: &[(&str, &str, Check)] = &[
    ("anthropic", r"sk-ant-[A-Za-z0-9_-]{8}", Check::Sk(8)),
    ("openrouter", r"sk-or-v1-[A-Za-z0-9_-]{8}", Check::Sk(8)),
    (
        "openai",
        r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{8}",
        Check::Sk(8),
    ),
    ("langfuse", r"(?:pk|sk)-lf-[0-9a-fA-F-]{8,}", Check::None),
    ("sk", r"sk-[A-Za-z0-9_-]{16}", Check::Sk(16)),
    ("elevenlabs", r"sk_[0-9a-fA-F]{32,}", Check::None),
    ("groq", r"gsk_[A-Za-z0-9]{16,}", Check::None),
    // Without hyphens, which models have: xai-grok-code-fast-1.
    ("xai", r"xai-[A-Za-z0-9_]{16,}", Check::None),
    ("google", r"AIza[A-Za-z0-9_-]{20,}", Check::None),
    ("google", r"\bAQ\.[A-Za-z0-9_-]{20,}", Check::None),
    (
        "huggingface",
        r"(?:hf_|api_org_)[A-Za-z0-9]{20,}",
        Check::None,
    ),
    ("pinecone", r"pcsk_[A-Za-z0-9_]{20,}", Check::None),
    ("replicate", r"r8_[A-Za-z0-9_-]{20,}", Check::None),
    ("perplexity", r"pplx-[A-Za-z0-9]{20,}", Check::None),
    ("nvidia", r"nvapi-[A-Za-z0-9_-]{20,}", Check::None),
    ("databricks", r"dapi[a-f0-9]{24,}(?:-\d)?", Check::None),
    ("langsmith", r"lsv2_(?:pt|sk)_[a-f0-9_]{16,}", Check::None),
    ("bedrock", r"ABSK[A-Za-z0-9+/]{40,}={0,2}", Check::None),
    (
        "bedrock",
        r"bedrock-api-key-[A-Za-z0-9+/=_-]{16,}",
        Check::None,
    ),
    ("webhook", r"whs(?:ec|k)_[A-Za-z0-9+/=_-]{16,}", Check::None),
    (
        "jwt",
        r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
        Check::None,
    ),
    // A bracket would be the beginning of what stands for a secret that is gone already.
    (
        "bearer",
        r"(?i:bearer)(?:\s|\+)+[^\s\x22',;\[\]]{16,}",
        Check::None,
    ),
    (
        "basic",
        r"\b(?i:basic)\s+[A-Za-z0-9+/]{16,}={0,2}",
        Check::Mixture,
    ),
];

/// What a pattern cannot say about a match.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// Nothing more.
    None,
    /// The match goes on as far as the alphabet does. At the start of a word it is a key. Inside
    /// one, as in `task-force-of-seven-2026`, what follows must have a mixture of this length.
    Sk(usize),
    /// The last word must be none that people write.
    Mixture,
}

/// How the keys begin of which a provider shows the beginning; shapes of these are checked by
/// [`Check::Sk`] with less than 16.
pub(super) const MASKED: [&str; 5] = [
    "sk-ant-",
    "sk-or-v1-",
    "sk-proj-",
    "sk-svcacct-",
    "sk-admin-",
];

/// One automaton of all shapes; the first shape that fits names the match.
pub(super) static ANY_SHAPE: LazyLock<Regex> = LazyLock::new(|| {
    let shapes: Vec<&str> = SHAPES.iter().map(|(_, shape, _)| *shape).collect();
    Regex::new_many(&shapes).expect("the shapes are constant and tested")
});
