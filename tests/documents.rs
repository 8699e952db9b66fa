//! What documents quote is what the command prints: a block below `<!-- printed by: highwater ... -->` is held against the output
//! of that command. `UPDATE_EXPECT=1 cargo test --test documents` writes it anew.

#![cfg(feature = "cli")]
#![allow(clippy::disallowed_methods, reason = "the environment says whether to write the blocks anew")]

use std::path::Path;
use std::process::Command;

const MARK: &str = "<!-- printed by: highwater ";
const FENCE: &str = "```";

#[test]
fn documents_quote_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["README.md", "models/README.md"] {
        let path = root.join(name);
        let text = std::fs::read_to_string(&path).expect("the document is there");
        let fresh = refreshed(&text);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, fresh).expect("the document can be written");
        } else {
            assert_eq!(text, fresh, "{name} quotes something else; UPDATE_EXPECT=1 writes it anew");
        }
    }
}

/// The document with every quoted block replaced by what its command prints now.
fn refreshed(text: &str) -> String {
    let mut fresh = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(MARK) {
        let command = &rest[start + MARK.len()..];
        let command = &command[..command.find(" -->").expect("the mark ends on its line")];
        let open = start + rest[start..].find(FENCE).expect("a block follows the mark");
        let body = open + rest[open..].find('\n').expect("the fence is a line") + 1;
        let close = body + rest[body..].find(FENCE).expect("the block ends");
        fresh.push_str(&rest[..body]);
        fresh.push_str(&printed(command));
        rest = &rest[close..];
    }
    fresh + rest
}

fn printed(command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .args(command.split(' '))
        .output()
        .expect("the command was built for this test");
    assert!(output.status.success(), "highwater {command} ended with {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_stale_block_is_noticed() {
    let stale = "a\n<!-- printed by: highwater models -->\n```text\nnothing\n```\nb\n";
    let fresh = refreshed(stale);
    assert!(fresh.starts_with("a\n") && fresh.ends_with("```\nb\n"));
    assert!(fresh.contains("acks/one-loses-on-power-loss") && !fresh.contains("nothing\n"));
}
