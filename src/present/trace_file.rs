//! `--trace`: everything that happened, as JSON Lines. Integers only, keys always in the same order.

use std::io::{self, Write};

use crate::kernel::trace::{Entry, What};
use crate::scenario::model::Model;
use crate::world::happened::Happened;

/// Writes the head and a line for each entry.
pub fn write(model: &Model, seed: u64, entries: &[Entry<Happened>], out: &mut impl Write) -> io::Result<()> {
    let name = serde_json::Value::from(model.name.as_str());
    let kafka = model.kafka.generation().name;
    writeln!(out, r#"{{"trace":1,"model":{name},"seed":{seed},"kafka":"{kafka}"}}"#)?;
    let mut line = String::new();
    for entry in entries {
        line.clear();
        push(&mut line, entry);
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn push(line: &mut String, entry: &Entry<Happened>) {
    use std::fmt::Write as _;
    let (n, t, node, cause) = (entry.n.0, entry.t.nanoseconds(), entry.node.0, entry.cause.0);
    let word = entry.what.word();
    let mut ok = write!(line, r#"{{"n":{n},"t":{t},"node":{node},"what":"{word}","cause":["#);
    if cause > 0 {
        ok = ok.and_then(|()| write!(line, "{cause}"));
    }
    line.push(']');
    entry.what.integers(&mut |key, value| ok = ok.and_then(|()| write!(line, r#","{key}":{value}"#)));
    line.push_str("}\n");
    ok.expect("a string takes everything");
}
