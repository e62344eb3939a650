"""The fallback for a finished task without a link at its format's paths: the only link named like a video."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import unquote, urlsplit

from bot.providers.parsing.fields import Json
from bot.providers.parsing.links import as_link, is_inline
from bot.providers.parsing.response import parse

_MOST_VALUES = 2_000  # that are visited, and per list or object
_DEEPEST = 12  # keys from the task to a value
_LONGEST_TEXT = 100_000  # characters of a text that may hold JSON
_MOST_TEXTS = 5  # that are parsed as JSON
_LONGEST_NAME = 1_000  # characters of a key or path that are read
_WORDS = re.compile(r"[mM][pP][34]|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_WRITTEN = re.compile(r"https?://[^\s\"'<>()\[\]（）【】，。]{4,4000}", re.IGNORECASE)
_MOST_WRITTEN = 20  # links in one text
_PLURAL = re.compile(r"(?<=..[^s])s$")  # of "videos", not of "gas" and "progress"
# Names of a video's inputs are not decoys: image-to-video, img2video, first_frame_to_video.
_MAKING = re.compile(
    r"(?:image|img|pic|photo|text|audio|frame|reference|ref|i|t|v)s?[-_]?(?:to|2)[-_]?(?=v)"
    r"|generated_?samples?",  # Google's name for its videos
    re.I,
)
_VIDEO = frozenset(("video", "mp4", "movie", "film", "clip", "webm", "mov"))
_DECOY = frozenset((
    "image", "img", "picture", "pic", "photo", "cover", "thumbnail", "thumb", "frame", "poster",
    "preview", "gif", "audio", "music", "voice", "sound", "song", "input", "reference", "ref", "source",
    "src", "callback", "webhook", "hook", "notify", "notification", "poll", "polling", "status", "query",
    "prompt", "request", "req", "param", "parameter", "option", "setting", "mask", "avatar", "icon",
    "logo", "sprite", "spritesheet", "subtitle", "caption", "draft", "first", "last", "head", "tail",
    "start", "end", "style", "character", "upload", "example", "sample", "doc", "help", "page", "share",
    "cancel", "self", "error", "log", "keyframe", "still", "snapshot", "screenshot", "storyboard",
    "png", "jpg", "jpeg", "webp", "mp3", "wav", "lora", "original",
    "control", "driving", "pose", "license", "term", "policy", "homepage", "website",
    "dashboard", "console", "support", "author", "profile", "qrcode", "feedback", "delete", "retry",
))  # fmt: skip
# Of keys whose words are not separated: coverurl, lastframe.
_JOINED_DECOY = re.compile(
    r"image|img|cover|thumb|frame|poster|preview|audio|music|callback|webhook|reference|input"
)
# Keys of results: a link under only such keys needs no video word.
_MADE = frozenset((
    "url", "uri", "link", "href", "data", "output", "result", "creation", "generation", "generated",
    "artifact", "asset", "download", "file", "media", "content", "item", "resource", "task", "final",
))  # fmt: skip
# Marks of a worse copy of the same video.
_WORSE = frozenset(
    ("watermark", "watermarked", "wm", "backup", "bak", "progress", "low", "lowres", "compressed")
)
_CLEAN = frozenset(("no", "without", "free", "remove", "removed", "clean", "unwatermarked", "nowatermark"))
_LABELS = (
    "type",
    "role",
    "kind",
    "content_type",
    "contentType",
    "mime_type",
    "mimeType",
    "file_type",
    "fileType",
)
_LONGEST_LABEL = 40
_DECOY_FOLDERS = frozenset(
    ("input", "upload", "reference", "thumbnail", "cover", "poster", "frame", "callback")
)
_VIDEO_ENDINGS = (".mp4", ".mov", ".webm", ".mkv", ".m4v", ".avi", ".flv", ".mpg", ".mpeg", ".ogv")
_OTHER_ENDING = re.compile(
    r"\.(?:jpe?g|png|webp|gif|bmp|svg|heic|avif|tiff?|ico|mp3|wav|m4a|aac|ogg|flac|opus|json|txt|html?|php|"
    r"srt|vtt|ass|pdf|zip|m3u8|safetensors|glb|xml|csv|js|css)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Found:
    """A link in the task."""

    keys: tuple[str, ...]  # from the task to the link, `*` for list elements
    link: str
    in_text: bool = False  # inside a longer text

    @cached_property
    def key_words(self) -> frozenset[str]:
        """The words of all its keys."""
        return frozenset().union(*map(_words, self.keys))

    @cached_property
    def path(self) -> str:
        """The decoded path of its URL."""
        return unquote(urlsplit(self.link).path)


def only_video_link(task: Json) -> str | None:
    """The only http(s) link in a task whose URL or keys contain a video word, or None.

    1. Links whose keys, labels or file names are decoys (images, inputs, callbacks) are ignored.
    2. Of a list of videos the first is used, and one without a watermark before one with it.
    3. Without a video word: the only link under keys of results, or the only link to a video file in a text.
    """
    named: dict[tuple[str, ...], _Found] = {}
    unnamed: dict[tuple[str, ...], _Found] = {}
    written: dict[tuple[str, ...], _Found] = {}
    for found in _links(task):
        if _is_decoy(found):
            continue
        if found.in_text:
            written.setdefault((found.link,), found)
        elif found.path.lower().endswith(_VIDEO_ENDINGS) or not _VIDEO.isdisjoint(
            found.key_words | _words(found.path)
        ):
            named.setdefault(found.keys, found)
        elif found.key_words <= _MADE:
            unnamed.setdefault(found.keys, found)
    return _only(named.values() or unnamed.values() or written.values())


def _only(found: Iterable[_Found]) -> str | None:
    """The link of the best rank, if there is only one."""
    ranks: dict[int, set[str]] = {}
    for one in found:
        ranks.setdefault(_rank(one), set()).add(one.link)
    links = ranks[min(ranks)] if ranks else set()
    # OpenRouter sends both a signed link and the gateway's own.
    links = {link for link in links if not urlsplit(link).path.endswith("/content")} or links
    if len(links) > 1:
        links = {link for link in links if urlsplit(link).path.lower().endswith(".mp4")}
    return links.pop() if len(links) == 1 else None


def _rank(found: _Found) -> int:
    """0: explicitly without a watermark; 2: with one, or a worse copy; 1: neither."""
    words = found.key_words | _words(found.path.rpartition("/")[2])
    is_split = "water" in words and not words.isdisjoint({"mark", "marked"})  # water_mark
    marked = is_split or not words.isdisjoint({"watermark", "watermarked", "wm"})
    if not words.isdisjoint(_CLEAN) and (marked or not words.isdisjoint(_CLEAN - {"no", "without", "free"})):
        return 0
    return 2 if marked or not words.isdisjoint(_WORSE) else 1


def is_other_file(link: str) -> bool:
    """Whether a URL has the file extension of an image, a sound or a page."""
    if is_inline(link):
        return False  # it has no extension, and unquoting it is slow
    name = unquote(urlsplit(link).path).rpartition("/")[2]
    return "." in name and _OTHER_ENDING.fullmatch(name[name.rfind(".") :]) is not None


def _links(task: Json) -> Iterator[_Found]:
    """Every text in the task that is a link, also inside JSON encoded as text (depth-first search)."""
    stack: list[tuple[tuple[str, ...], object]] = [((), task)]
    texts = 0
    for _ in range(_MOST_VALUES):
        if not stack:
            return
        keys, value = stack.pop()
        if isinstance(value, str):
            may_be_json = len(value) <= _LONGEST_TEXT and value.lstrip()[:1] in {"{", "["} and "http" in value
            if may_be_json and texts < _MOST_TEXTS:
                texts += 1
                value = parse(value.encode("utf-8", "replace"))
            elif (link := as_link(value)) is not None and not is_inline(link):
                yield _Found(keys, link)
            elif link is None:
                yield from (_Found(keys, each, in_text=True) for each in _written(value))
        if len(keys) < _DEEPEST:
            stack.extend(reversed(list(_inner(keys, value))))


def _written(text: str) -> list[str]:
    """The links to video files inside a text, such as Markdown or HTML."""
    if "://" not in text[:_LONGEST_TEXT]:
        return []
    links = (as_link(each) for each in _WRITTEN.findall(text[:_LONGEST_TEXT])[:_MOST_WRITTEN])
    return [link for link in links if link and urlsplit(link).path.lower().endswith(_VIDEO_ENDINGS)]


def _inner(keys: tuple[str, ...], value: object) -> Iterable[tuple[tuple[str, ...], object]]:
    if isinstance(value, dict):
        if keys[-1:] == ("*",):
            keys = (*keys, *_labels(value))
        return [((*keys, name), inner) for name, inner in list(value.items())[:_MOST_VALUES]]
    if isinstance(value, list):
        return [((*keys, "*"), inner) for inner in value[:_MOST_VALUES]]
    return ()


def _labels(item: Json) -> Iterator[str]:
    """The type labels of a list item, which are used like keys."""
    for name in _LABELS:
        label = item.get(name)
        if isinstance(label, str) and len(label) <= _LONGEST_LABEL:
            yield label


def _is_decoy(found: _Found) -> bool:
    """Whether the link's keys, file name or folders are those of something else than the video."""
    folders, _, name = found.path.rpartition("/")
    if is_other_file(found.link):
        return True
    if any(_JOINED_DECOY.search(_MAKING.sub("", key[:_LONGEST_NAME]).lower()) for key in found.keys):
        return True
    words = found.key_words | _words(name)
    return not words.isdisjoint(_DECOY) or not _words(folders).isdisjoint(_DECOY_FOLDERS)


def _words(text: str) -> frozenset[str]:
    """The words of a key or path, lower-case and singular."""
    return _words_in(text[:_LONGEST_NAME])  # cut before it is cached


@lru_cache(maxsize=64)
def _words_in(text: str) -> frozenset[str]:
    words = (word.lower() for word in _WORDS.findall(_MAKING.sub("", text)))
    return frozenset(_PLURAL.sub("", word) for word in words)
