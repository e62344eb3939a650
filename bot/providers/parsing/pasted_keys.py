"""Cuts API keys and tokens out of pasted text, so that none is taken for an id, stored or echoed.

Only what is surely a key: bot/redaction.py hides more, but here an id must not be lost.
"""

import re

from bot.redaction import JWT, OPENAI_KEY

# Each pattern reads every character a bounded number of times, whatever the text is.
_KEYS = re.compile(
    rf"{OPENAI_KEY}|{JWT}"
    r"|(?i:\bbearer\s{1,8}|authorization\W{1,8}basic\s{1,8})(?=[^\s'\",\d]{0,64}\d)[\w.~+/=-]{8,}"
    r"|(?i:(?:(?<![a-z])(?:x[_-])?(?:api|access|secret|private|auth)[ _-]?(?:key|token|secret)"
    r"|密钥|秘钥|令牌)"
    r"[\"']?\s{0,3}[:=：]\s{0,3}[\"']?)(?=[^\s\d]{0,64}\d)[\w.~+/=-]{12,}"
    # without a scheme, or with another one
    r"|(?i:(?<![a-z])authorization[\"']?\s{0,3}[:=：]\s{0,3}[\"']?(?:[a-z-]{1,16}\s{1,8})?)"
    r"(?=[^\s\d]{0,64}\d)[\w.~+/=-]{12,}"
    # of the shape of an id, after a word for a key
    r"|(?i:(?<![a-z])(?:key|token|secret|password|密码)[\"']?\s{0,3}(?:[:=：是为]|is\b)?\s{0,3}[\"']?)"
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!:)"
    r"|(?<=[?&])(?i:access|token|access_token|key|api_?key|auth)=[\w.~%+/=-]{12,}"
    r"|(?<!\d)\d{5,}:[A-Za-z0-9_-]{30,}"  # a bot's token
    r"|(?<![A-Za-z0-9])(?:gh[pousr]_|gsk_|xai-|r8_|hf_|AIza)[\w-]{16,}"
    # fal's key: an id and its secret
    r"|(?<![0-9A-Fa-f])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}:[0-9a-f]{16,}",
    re.ASCII,  # so that a Chinese word ends a key
)
_MASKED = re.compile(r"\*{2}|(?i:x{4}|your)|^[^\d]*$")  # instead of a key


def cut_keys(text: str) -> tuple[str, bool]:
    """Replace each key and token by a hyphen; also return whether any of them was real, not a placeholder."""
    found: list[str] = []

    def cut(key: re.Match[str]) -> str:
        found.append(key[0])
        return "-"

    return _KEYS.sub(cut, text), any(not _MASKED.search(each) for each in found)
