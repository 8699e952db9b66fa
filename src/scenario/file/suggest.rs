//! "Did you mean": the nearest of the words that were possible.

/// The help for a word that is none of `allowed`: the one it was probably meant to be, and all of them.
pub(super) fn instead_of(word: &str, allowed: &[&str]) -> String {
    let all = format!("possible here: {}", listed(allowed));
    match nearest(word, allowed) {
        Some(meant) => format!("did you mean `{meant}`? {all}"),
        None => all,
    }
}

/// Words in a row: `` `a`, `b`, `c` ``.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// The word of `allowed` within a third of its length of `word`; of several the first of the nearest.
pub(super) fn nearest<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    // Nothing we know is longer, and the distance costs the product of the lengths.
    if word.len() > 80 {
        return None;
    }
    let near = |known: &&&str| distance(word, known) <= (known.len() / 3).max(1);
    allowed.iter().filter(near).min_by_key(|known| distance(word, known)).copied()
}

/// How many characters must be put in, taken out, changed or swapped with the next (optimal string alignment); upper and
/// lower case are the same.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let changed = last[j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["acks", "linger.ms", "retries", "retry.backoff.ms"];
        let cases = [
            ("ack", Some("acks")),
            ("Acks", Some("acks")),
            ("akcs", Some("acks")),
            ("linger.msec", Some("linger.ms")),
            ("retry.backof.ms", Some("retry.backoff.ms")),
            ("colour", None),
            ("", None),
        ];
        for (word, meant) in cases {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
    }
}
