//! Kafka's settings: what each takes, in Kafka's own forms, and where it goes.

use super::quantity;
use super::reading::Reading;
use super::report::Problem;
use super::section::Setting;
use super::tree::Value;
use crate::clients::options::{OffsetReset, PartitionerClass};
use crate::cluster::units::Acks;
use crate::kernel::units::{Bytes, Span};

/// Kafka's `int`.
pub(super) const INT: i128 = i32::MAX as i128;
/// Kafka's `long`. As a number of milliseconds or of messages it means never.
pub(super) const LONG: i128 = i64::MAX as i128;

/// One setting.
pub(super) struct Property<O: 'static> {
    /// Its Kafka name.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) takes: Takes<O>,
}

/// What a setting takes, and where it goes.
pub(super) enum Takes<O: 'static> {
    /// Milliseconds from `least` to `most`.
    Milliseconds(i128, i128, fn(&mut O, Span)),
    /// Milliseconds from `least`, or -1 for ever.
    MillisecondsOrForEver(i128, fn(&mut O, Span)),
    /// Any number of bytes; below zero without limit.
    BytesOrUnlimited(fn(&mut O, Option<Bytes>)),
    /// Bytes from `least` to an `int`.
    Bytes(i128, fn(&mut O, Bytes)),
    /// A number from `least` to `most`.
    Number(i128, i128, fn(&mut O, u64)),
    /// `true` or `false`.
    Switch(fn(&mut O, bool)),
    /// `0`, `1`, `-1` or `all`.
    Acks(fn(&mut O, Acks)),
    /// The name of a class.
    Partitioner(fn(&mut O, PartitionerClass)),
    /// `CreateTime` or `LogAppendTime`; whether it is the latter.
    TimestampType(fn(&mut O, bool)),
    /// `earliest`, `latest`, `none` or `by_duration:PT…`.
    OffsetReset(fn(&mut O, OffsetReset)),
}

/// The names of settings.
pub(super) fn names<O>(properties: &'static [Property<O>]) -> Vec<&'static str> {
    properties.iter().map(|property| property.name).collect()
}

/// Puts what a table sets into `options`.
pub(super) fn apply<O>(
    properties: &'static [Property<O>],
    settings: &[Setting<'_>],
    options: &mut O,
    reading: &mut Reading,
) {
    for setting in settings {
        if let Some(property) = properties.iter().find(|property| property.name == setting.name) {
            apply_one(&property.takes, setting, options, reading);
        }
    }
}

fn apply_one<O>(takes: &Takes<O>, setting: &Setting<'_>, options: &mut O, reading: &mut Reading) {
    match *takes {
        Takes::Milliseconds(least, most, set) => {
            if let Some(number) = number(setting, "milliseconds", least, most, reading) {
                set(options, milliseconds(number));
            }
        }
        Takes::MillisecondsOrForEver(least, set) => {
            if let Some(number) = number_from(setting, "milliseconds", (-1, least), LONG, reading) {
                set(options, u64::try_from(number).map_or(Span::FOREVER, milliseconds));
            }
        }
        Takes::BytesOrUnlimited(set) => {
            if let Some(number) = number_from(setting, "bytes", (-LONG - 1, -LONG - 1), LONG, reading) {
                set(options, u64::try_from(number).ok().map(Bytes::new));
            }
        }
        Takes::Bytes(least, set) => {
            if let Some(number) = number(setting, "bytes", least, INT, reading) {
                set(options, Bytes::new(number));
            }
        }
        Takes::Number(least, most, set) => {
            if let Some(number) = number(setting, "", least, most, reading) {
                set(options, number);
            }
        }
        Takes::Switch(set) => {
            if let Some(switch) = switch(setting, reading) {
                set(options, switch);
            }
        }
        Takes::Partitioner(set) => {
            let named = &PartitionerClass::NAMED;
            if let Some(class) = reading.choice(&setting.name, setting.node, named, &[]) {
                set(options, class);
            }
        }
        Takes::TimestampType(set) => {
            let types = &[("CreateTime", false), ("LogAppendTime", true)];
            if let Some(is_append_time) = reading.choice(&setting.name, setting.node, types, &[]) {
                set(options, is_append_time);
            }
        }
        Takes::OffsetReset(set) => {
            if let Some(reset) = offset_reset(setting, reading) {
                set(options, reset);
            }
        }
        Takes::Acks(set) => {
            if let Some(acks) = acks(setting, reading) {
                set(options, acks);
            }
        }
    }
}

/// A span of so many milliseconds. What is longer than ten times the longest run never happens in it: it is for ever, as
/// `Long.MAX_VALUE` is.
fn milliseconds(number: u64) -> Span {
    const HUNDRED_YEARS: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;
    if number < HUNDRED_YEARS { Span::from_milliseconds(number) } else { Span::FOREVER }
}

/// A number as Kafka takes it: bare or in a string, without a unit. `of` is what it counts.
fn number(setting: &Setting<'_>, of: &str, least: i128, most: i128, reading: &mut Reading) -> Option<u64> {
    let number = number_from(setting, of, (least, least), most, reading)?;
    Some(u64::try_from(number).expect("this setting does not go below zero"))
}

/// The same, where `special` lies below all others.
fn number_from(
    setting: &Setting<'_>,
    of: &str,
    (special, least): (i128, i128),
    most: i128,
    reading: &mut Reading,
) -> Option<i128> {
    let name = &setting.name;
    let number = match &setting.node.value {
        Value::Whole(number) => *number,
        Value::Text(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => {
                not_bare(setting, text, of, least, reading);
                return None;
            }
        },
        Value::Fraction | Value::Switch(_) | Value::Date | Value::List(_) | Value::Table(_) => {
            return reading.wrong_type(name, setting.node, "a whole number", &least.max(1).to_string());
        }
    };
    if number != special && !(least..=most).contains(&number) {
        reading.out_of_range(name, setting.node.place, number, special, most);
        return None;
    }
    Some(number)
}

/// A string that is no number: one with a unit is shown without it.
fn not_bare(setting: &Setting<'_>, text: &str, of: &str, least: i128, reading: &mut Reading) {
    let name = &setting.name;
    let bare = match of {
        "milliseconds" => quantity::span(text).ok().map(|span| (span.nanoseconds() / 1_000_000).max(1)),
        "bytes" => quantity::bytes(text).ok().map(Bytes::get),
        _ => None,
    };
    let place = setting.node.place;
    let problem = match bare {
        Some(bare) => {
            Problem::new("model::unit", format!("`{name}` takes a bare number of {of}, as in Kafka"))
                .label("a unit")
                .help(format!("write `{name} = {bare}`; only our own keys take units"))
        }
        None => {
            let of = if of.is_empty() { String::new() } else { format!(" of {of}") };
            Problem::new("model::wrong-type", format!("`{name}` takes a number{of}"))
                .label("no number")
                .help(format!("for example `{name} = {}`", least.max(1)))
        }
    };
    reading.problem(problem.at(place));
}

fn switch(setting: &Setting<'_>, reading: &mut Reading) -> Option<bool> {
    let written = match &setting.node.value {
        Value::Switch(switch) => return Some(*switch),
        Value::Text(text) => text.trim().to_lowercase(),
        Value::Whole(_) | Value::Fraction | Value::Date | Value::List(_) | Value::Table(_) => String::new(),
    };
    match written.as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => reading.wrong_type(&setting.name, setting.node, "`true` or `false`", "true"),
    }
}

/// `AutoOffsetResetStrategy.fromString`.
fn offset_reset(setting: &Setting<'_>, reading: &mut Reading) -> Option<OffsetReset> {
    const BY_DURATION: &str = "by_duration";
    if let Value::Text(text) = &setting.node.value
        && let Some(rest) = text.strip_prefix(BY_DURATION)
    {
        let span = rest.strip_prefix(':').and_then(quantity::iso_8601);
        if span.is_none() {
            let message = format!("`{text}` says no duration");
            let problem =
                Problem::new("model::unit", message).at(setting.node.place).label("after `by_duration`");
            reading.problem(
                problem.help("a duration as in ISO 8601: `\"by_duration:PT1H30M\"`, `\"by_duration:P7D\"`"),
            );
        }
        return span.map(OffsetReset::Ago);
    }
    let words =
        [("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest), ("none", OffsetReset::None)];
    reading.choice(&setting.name, setting.node, &words, &["by_duration:PT1H"])
}

fn acks(setting: &Setting<'_>, reading: &mut Reading) -> Option<Acks> {
    let written = match &setting.node.value {
        Value::Whole(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Fraction | Value::Switch(_) | Value::Date | Value::List(_) | Value::Table(_) => String::new(),
    };
    match written.as_str() {
        "0" => Some(Acks::Zero),
        "1" => Some(Acks::One),
        "all" | "-1" => Some(Acks::All),
        _ => {
            let problem = Problem::new("model::unknown-word", "`acks` takes 0, 1, -1 or \"all\"");
            reading.problem(
                problem.at(setting.node.place).label("none of these").help("for example `acks = \"all\"`"),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::file::report::{Place, Source};
    use crate::scenario::file::syntax;

    /// What `key = value` becomes, or the code of what is wrong with it.
    fn taken(takes: &Takes<String>, value: &str) -> Result<String, &'static str> {
        let source = Source { name: String::new(), text: format!("key = {value}") };
        let mut reading = Reading::new(vec![source]);
        let table = syntax::parse(0, &mut reading);
        let mut out = String::new();
        let (_, node) = &table.entries[0];
        let setting = Setting { name: "key".into(), place: Place { source: 0, start: 0, end: 3 }, node };
        apply_one(takes, &setting, &mut out, &mut reading);
        reading.done().map(|()| out).map_err(|report| report.problems[0].code)
    }

    #[test]
    fn settings_take_what_kafka_takes() {
        let milliseconds = Takes::Milliseconds(0, LONG, |out: &mut String, span| *out = span.to_string());
        let int = Takes::Number(0, INT, |out: &mut String, number| *out = number.to_string());
        let bytes = Takes::Bytes(0, |out: &mut String, bytes| *out = bytes.get().to_string());
        let switch = Takes::Switch(|out: &mut String, switch| *out = switch.to_string());
        let acks = Takes::Acks(|out: &mut String, acks| *out = acks.to_string());
        let class = Takes::Partitioner(|out: &mut String, class| *out = format!("{class:?}"));
        let for_ever = Takes::MillisecondsOrForEver(1, |out: &mut String, span| *out = span.to_string());
        let unlimited = Takes::BytesOrUnlimited(|out: &mut String, bytes| *out = format!("{bytes:?}"));
        let reset = Takes::OffsetReset(|out: &mut String, reset| *out = format!("{reset:?}"));
        let stamped =
            Takes::TimestampType(|out: &mut String, is_append_time| *out = is_append_time.to_string());
        let cases: [(&Takes<String>, &str, Result<&str, &str>); 56] = [
            (&stamped, "\"LogAppendTime\"", Ok("true")),
            (&stamped, "\"CreateTime\"", Ok("false")),
            (&stamped, "\"logappendtime\"", Err("model::unknown-word")),
            (&stamped, "1", Err("model::wrong-type")),
            (&reset, "\"latest\"", Ok("Latest")),
            (&reset, "\"newest\"", Err("model::unknown-word")),
            (&reset, "\"by_duration:PT1H30M\"", Ok("Ago(Span(5400000000000))")),
            (&reset, "\"by_duration:P1DT1S\"", Ok("Ago(Span(86401000000000))")),
            (&reset, "\"by_duration:pt0,5s\"", Ok("Ago(Span(500000000))")),
            (&reset, "\"by_duration:PT0S\"", Ok("Ago(Span(0))")),
            (&reset, "\"by_duration\"", Err("model::unit")),
            (&reset, "\"by_duration:\"", Err("model::unit")),
            (&reset, "\"by_duration:1h\"", Err("model::unit")),
            (&reset, "\"by_duration:P\"", Err("model::unit")),
            (&reset, "\"by_duration:P1DT\"", Err("model::unit")),
            (&reset, "\"by_duration:PT-1S\"", Err("model::unit")),
            (&reset, "\"by_duration:PT1S2M\"", Err("model::unit")),
            (&reset, "\"by_duration:PT1.5M\"", Err("model::unit")),
            (&reset, "\"by_duration:P99999999999999999999D\"", Err("model::unit")),
            (&for_ever, "-1", Ok("for ever")),
            (&for_ever, "\"-1\"", Ok("for ever")),
            (&for_ever, "0", Err("model::out-of-range")),
            (&for_ever, "-2", Err("model::out-of-range")),
            (&unlimited, "-7", Ok("None")),
            (&unlimited, "0", Ok("Some(Bytes(0))")),
            (&class, "\"org.apache.kafka.clients.producer.RoundRobinPartitioner\"", Ok("RoundRobin")),
            (&class, "\"com.example.Mine\"", Err("model::unknown-word")),
            (&class, "1", Err("model::wrong-type")),
            (&milliseconds, "5", Ok("5 ms")),
            (&milliseconds, "\"5\"", Ok("5 ms")),
            (&milliseconds, "9223372036854775807", Ok("for ever")),
            (&milliseconds, "9223372036854775808", Err("model::out-of-range")),
            (&milliseconds, "1000000000000000000000000000000", Err("model::out-of-range")),
            (&milliseconds, "-1", Err("model::out-of-range")),
            (&milliseconds, "\"5ms\"", Err("model::unit")),
            (&milliseconds, "\"soon\"", Err("model::wrong-type")),
            (&milliseconds, "5.0", Err("model::wrong-type")),
            (&milliseconds, "nan", Err("model::wrong-type")),
            (&milliseconds, "1979-05-27", Err("model::wrong-type")),
            (&int, "2147483647", Ok("2147483647")),
            (&int, "2147483648", Err("model::out-of-range")),
            (&int, "true", Err("model::wrong-type")),
            (&bytes, "0x10", Ok("16")),
            (&bytes, "\"16KiB\"", Err("model::unit")),
            (&switch, "true", Ok("true")),
            (&switch, "\"TRUE\"", Ok("true")),
            (&switch, "1", Err("model::wrong-type")),
            (&switch, "\"yes\"", Err("model::wrong-type")),
            (&acks, "1", Ok("1")),
            (&acks, "\"0\"", Ok("0")),
            (&acks, "-1", Ok("all")),
            (&acks, "\"-1\"", Ok("all")),
            (&acks, "\"all\"", Ok("all")),
            (&acks, "2", Err("model::unknown-word")),
            (&acks, "\"ALL\"", Err("model::unknown-word")),
            (&acks, "[1]", Err("model::unknown-word")),
        ];
        for (takes, value, expected) in cases {
            assert_eq!(taken(takes, value), expected.map(str::to_owned), "{value}");
        }
    }
}
