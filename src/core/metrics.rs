//! Facts and findings as metrics, in the text format of Prometheus (for the textfile collector of `node_exporter`).

use std::collections::BTreeMap;

use super::findings::{Facts, Finding, Severity};

/// Writes all metrics. Every family is headed by its HELP and TYPE even where it has no sample, so that a rule finds it.
#[must_use]
pub fn write(facts: &Facts, findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<(String, i64)>| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (labels, value) in samples {
            text.push_str(&format!("{name}{labels} {value}\n"));
        }
    };
    let per_set = |value: &dyn Fn(&super::findings::Set) -> Option<i64>| -> Vec<(String, i64)> {
        let sample = |set: &super::findings::Set| Some((format!("{{name=\"{}\"}}", set.name), value(set)?));
        facts.sets.iter().filter_map(sample).collect()
    };
    let length = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);

    family("stek_period_seconds", "How long a key should encrypt.", vec![(String::new(), facts.period.start(1))]);
    family("stek_key_sets", "Number of key sets.", vec![(String::new(), length(facts.present()))]);
    family(
        "stek_key_age_seconds",
        "Age of the current key; negative if its epoch is yet to come.",
        per_set(&|set| set.current().map(|file| facts.age(file))),
    );
    family(
        "stek_key_epoch",
        "Epoch of the current key: its time divided by the period.",
        per_set(&|set| set.current().map(|file| facts.period.epoch(file.mtime))),
    );
    family(
        "stek_last_rotation_timestamp_seconds",
        "When the current key was put into its slot, or last touched there.",
        per_set(&|set| set.current().map(|file| file.changed)),
    );
    family(
        "stek_slots",
        "Number of slots that hold a file, next included.",
        // One that was only asked for is none; that it is missing is a finding.
        per_set(&|set| Some(length(set.files().count())).filter(|count| *count > 0)),
    );
    let server = |value: &dyn Fn(&super::findings::Server) -> Option<i64>| -> Vec<(String, i64)> {
        // Of several of one name the worst, or the one that runs: a sample must be there once.
        let mut largest = BTreeMap::new();
        for server in facts.servers.iter().filter(|server| server.unknown.is_none()) {
            if let Some(value) = value(server) {
                let largest = largest.entry(format!("{{server=\"{}\"}}", server.name)).or_insert(value);
                *largest = value.max(*largest);
            }
        }
        largest.into_iter().collect()
    };
    family("stek_server_up", "Whether the server that holds keys runs.", server(&|server| Some(server.runs.into())));
    family(
        "stek_server_stale",
        "Whether keys changed after the server read them.",
        server(&|server| server.serving_since.map(|_| server.is_stale.into())),
    );
    family(
        "stek_finding",
        "Findings of stek check by identifier: 0 note, 1 warning, 2 critical, 3 could not look.",
        by_name(findings),
    );
    text
}

/// One sample for each NAME and identifier: the worst.
fn by_name(findings: &[Finding]) -> Vec<(String, i64)> {
    let mut worst: BTreeMap<String, Severity> = BTreeMap::new();
    for finding in findings {
        let name = finding.name.as_ref().map_or("", |name| name.as_str());
        let severity =
            worst.entry(format!("{{name=\"{name}\",id=\"{}\"}}", finding.kind.id)).or_insert(finding.severity);
        *severity = finding.severity.max(*severity);
    }
    worst.into_iter().map(|(labels, severity)| (labels, severity.number().into())).collect()
}
