//! What a file may ask for at most. All are checked before anything of that size is allocated.

use std::ops::RangeInclusive;

use super::report::{Place, Problem, Report};
use crate::kernel::units::Span;

/// The longest file, in bytes.
pub(super) const FILE_BYTES: usize = 4 << 20;
/// The deepest nesting of brackets, and the most segments of a dotted key.
pub(super) const NESTING: usize = 16;
/// Brokers, of which there is at least one.
pub(super) const BROKERS: RangeInclusive<u64> = 1..=1_000;
/// Threads a broker has for requests.
pub(super) const REQUEST_THREADS: RangeInclusive<u64> = 1..=1_000;
/// Partitions of all topics.
pub(super) const PARTITIONS: u64 = 100_000;
/// Records of all producers.
pub(super) const RECORDS: u64 = 100_000_000;
/// Faults.
pub(super) const FAULTS: usize = 10_000;
/// Virtual time: ten years of 365 days.
pub(super) const VIRTUAL_TIME: Span = Span::from_seconds(10 * 365 * 24 * 60 * 60);
/// Machines of all kinds: their ids are 16 bits wide, with room above.
pub(super) const NODES: usize = 60_000;
/// Links with a latency of their own: each may name every node twice.
pub(super) const LINKS: usize = 200;
/// The largest record: more than any broker takes.
pub(super) const RECORD_BYTES: u64 = 1 << 30;
/// Seeds an `[expect]` may ask for.
pub(super) const SEEDS: RangeInclusive<u64> = 1..=1_000_000;

/// What is wrong with a file that is not even text of a model: too large, empty, or not text.
pub(super) fn text_of(name: &str, bytes: Vec<u8>) -> Result<String, Report> {
    let refuse =
        |code, message: String, help: &str| Err(Report::of(name, Problem::new(code, message).help(help)));
    if bytes.len() > FILE_BYTES {
        let help = "a model describes the workload by numbers; it does not list the records";
        return refuse("file::too-large", format!("the file is larger than {} MiB", FILE_BYTES >> 20), help);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            let message = format!("the file is not text: byte {offset} is not UTF-8");
            refuse("file::not-text", message, "a model is a TOML file in UTF-8")
        }
    }
}

/// The first place in a text that nests too deeply. The parser and the destructor of its tables recurse: this comes first.
///
/// It reads strings and comments exactly as the parser does, broken ones included.
pub(super) fn too_deep(source: usize, text: &str) -> Option<Problem> {
    let bytes = text.as_bytes();
    let (mut depth, mut dots, mut at) = (0_usize, 0_usize, 0);
    while at < bytes.len() {
        let start = at;
        at += 1;
        match bytes[start] {
            b'[' | b'{' => (depth, dots) = (depth + 1, 0),
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'.' => dots += 1,
            b'=' | b',' | b'\n' => dots = 0,
            b' ' | b'\t' | b'\r' => (),
            b'#' => at = end_of(bytes, at, b"\r\n"),
            b'"' | b'\'' => at = end_of_string(bytes, start),
            _ => at = end_of(bytes, at, b".=,[]{} \t#\r\n"),
        }
        if depth > NESTING || dots >= NESTING {
            let message = format!("nested more than {NESTING} deep");
            let place = Place { source, start, end: at };
            let problem = Problem::new("file::nested-too-deeply", message).at(place).label("here");
            return Some(problem.help("no model needs more than 4"));
        }
    }
    None
}

/// Where one of the `stops` comes next.
fn end_of(bytes: &[u8], from: usize, stops: &[u8]) -> usize {
    bytes[from..].iter().position(|byte| stops.contains(byte)).map_or(bytes.len(), |ahead| from + ahead)
}

/// Where the string that begins at `start` ends as the parser sees it: one on a single line ends with the line if nothing
/// else ends it, and a long one takes up to two quotes more.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let long = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += usize::from(matches!(bytes.get(at + 1), Some(b'\\' | b'"'))),
            b'\n' if !long => return at,
            byte if byte == quote && !long => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => {
                let more = bytes[at + 3..].iter().take(2).take_while(|&&byte| byte == quote).count();
                return at + 3 + more;
            }
            _ => (),
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_strings_and_comments() {
        let cases = [
            (String::from("a = [[1], [2]]"), false),
            (format!("a = {}{}", "[".repeat(16), "]".repeat(16)), false),
            (format!("a = {}", "[".repeat(17)), true),
            (format!("a = {}", "{b=".repeat(17)), true),
            (format!("a = \"{}\"", "[".repeat(100)), false),
            (format!("a = '''\n{}'''", "[".repeat(100)), false),
            (format!("# {}", "[".repeat(100)), false),
            (format!("a = \"broken\n{}", "[".repeat(100)), true),
            (format!("a = \"quote \\\" {}\"", "[".repeat(100)), false),
            (format!("a{} = 1", ".a".repeat(15)), false),
            (format!("a{} = 1", ".a".repeat(16)), true),
            (format!("[a{}]", " . \"a\"".repeat(16)), true),
            (format!("a = {{ x = 1, a{} = 1 }}", ".a".repeat(16)), true),
            (format!("a\"b{} = 1", ".a".repeat(16)), true),
            (format!("a = \"\"\"b\"\"\"\"\"\n{}", "[".repeat(17)), true),
            ("a.b = 1\n".repeat(100), false),
        ];
        for (text, deep) in cases {
            assert_eq!(too_deep(0, &text).is_some(), deep, "{text}");
        }
    }
}
