//! The parts of a profile that belong to no flow: clock, hooks, limits, baseline.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Baseline, ClockSetting, HookRequest, HookSetting, Limits};
use crate::model::{Header, parse_civil, parse_duration};
use crate::scenario::HOOKS;
use crate::source::{Diagnostics, Pattern, SourceFile, YamlPath, pattern};
use crate::target::Library;
use crate::target::raw::{
    RawClock, RawClockMode, RawHookDriver, RawHookRequest, RawLimits, RawProfile,
};
use crate::target::transport::beside;

pub(super) fn clock(
    raw: Option<&RawClock>,
    path: &YamlPath,
    out: &mut Diagnostics,
) -> ClockSetting {
    let Some(raw) = raw else {
        return ClockSetting::None;
    };
    let mut read = |text: Option<&String>, key: &str, default: Duration| {
        duration(text, &path.key(key), default, out)
    };
    let tolerance = read(raw.tolerance.as_ref(), "tolerance", Duration::ZERO);
    match (raw.mode, &raw.control, &raw.advance) {
        (RawClockMode::None, ..) => ClockSetting::None,
        (RawClockMode::Real, ..) => ClockSetting::Real {
            tolerance: if raw.tolerance.is_some() { tolerance } else { Duration::from_secs(1) },
            max_wait: read(raw.max_wait.as_ref(), "max_wait", Duration::from_secs(150)),
        },
        (RawClockMode::Virtual, Some(control), None) => ClockSetting::Control(control.clone()),
        (RawClockMode::Virtual, None, Some(advance)) => {
            ClockSetting::Request(request(advance), tolerance)
        }
        (RawClockMode::Virtual, ..) => {
            out.value(
                "profile::clock",
                path,
                "a virtual clock has exactly one of `control` and `advance`",
            );
            ClockSetting::None
        }
    }
}

fn request(raw: &RawHookRequest) -> HookRequest {
    HookRequest {
        method: raw.method.clone().unwrap_or_else(|| "POST".to_owned()),
        url: raw.url.clone(),
        json: raw.json.clone(),
        headers: headers(&raw.headers),
    }
}

pub(super) fn headers(raw: &[crate::scenario::raw::RawHeader]) -> Vec<Header> {
    raw.iter().map(|header| Header::new(&header.name, &header.value)).collect()
}

pub(super) fn hooks(
    raw: &RawProfile,
    file: &SourceFile,
    path: &YamlPath,
    out: &mut Diagnostics,
) -> BTreeMap<String, Vec<HookSetting>> {
    let mut hooks = BTreeMap::new();
    for (name, drivers) in &raw.hooks {
        let path = path.key(name);
        if !HOOKS.contains(&name.as_str()) {
            out.key("profile::hook", &path, format!("`{name}` is not a hook"));
            out.did_you_mean(name, HOOKS);
        }
        let settings = drivers
            .iter()
            .enumerate()
            .filter_map(|(i, driver)| hook(driver, file, &path.index(i), out));
        hooks.insert(name.clone(), settings.collect());
    }
    hooks
}

fn hook(
    raw: &RawHookDriver,
    file: &SourceFile,
    path: &YamlPath,
    out: &mut Diagnostics,
) -> Option<HookSetting> {
    let within = |text: Option<&String>, key: &str, seconds: u64, out: &mut Diagnostics| {
        duration(text, &path.key(key).key("timeout"), Duration::from_secs(seconds), out)
    };
    match (&raw.simulated, &raw.http, &raw.exec, &raw.fifo, &raw.tty) {
        (Some(control), None, None, None, None) => Some(HookSetting::Simulated(control.clone())),
        (None, Some(http), None, None, None) => Some(HookSetting::Http(request(http))),
        (None, None, Some(exec), None, None) => {
            if exec.argv.is_empty() {
                out.value("profile::hook", &path.key("exec"), "`argv` names a program");
            }
            let timeout = within(exec.timeout.as_ref(), "exec", 10, out);
            Some(HookSetting::Exec { argv: exec.argv.clone(), timeout })
        }
        (None, None, None, Some(fifo), None) => Some(HookSetting::Fifo {
            request: beside(file, &fifo.request),
            answer: fifo.answer.as_ref().map(|path| beside(file, path)),
            timeout: within(fifo.timeout.as_ref(), "fifo", 10, out),
        }),
        (None, None, None, None, Some(tty)) => {
            let timeout = within(tty.timeout.as_ref(), "tty", 60, out);
            Some(HookSetting::Tty { prompt: tty.prompt.clone(), timeout })
        }
        _ => {
            let told = "a driver has exactly one of `simulated`, `http`, `exec`, `fifo`, `tty`";
            out.value("profile::hook", path, told);
            None
        }
    }
}

pub(super) fn limits(raw: Option<&RawLimits>, path: &YamlPath, out: &mut Diagnostics) -> Limits {
    let default = Limits::default();
    let Some(raw) = raw else { return default };
    Limits {
        deadline: duration(raw.deadline.as_ref(), &path.key("deadline"), default.deadline, out),
        max_failed_logins: raw.max_failed_logins,
        max_answer_bytes: raw.max_answer_bytes.unwrap_or(default.max_answer_bytes),
    }
}

pub(super) fn baseline(
    raw: &RawProfile,
    library: &Library,
    path: &YamlPath,
    out: &mut Diagnostics,
) -> Vec<Baseline> {
    let mut entries = Vec::new();
    for (index, entry) in raw.baseline.iter().enumerate() {
        let path = path.index(index);
        let known =
            library.check_ids().any(|id| id.as_str() == entry.check || id.base() == entry.check);
        if !known && !library.is_partial() {
            out.value(
                "profile::baseline",
                &path.key("check"),
                format!("there is no check `{}`", entry.check),
            );
            let known: Vec<&str> = library.check_ids().map(crate::model::CheckId::as_str).collect();
            out.did_you_mean(&entry.check, known);
        }
        match parse_civil(&format!("{}T00:00:00", entry.until)) {
            Some(until) => entries.push(Baseline {
                check: entry.check.clone(),
                because: entry.because.clone(),
                until,
                item: entry.item.as_ref().map(|item| item.0.clone()).unwrap_or_default(),
                got: got(entry.got.as_deref(), &path.key("got"), out),
                sometimes: entry.sometimes,
            }),
            None => {
                let message = format!("`{}` is not a day; write `2027-03-01`", entry.until);
                out.value("profile::baseline", &path.key("until"), message);
            }
        }
    }
    entries
}

fn got(text: Option<&str>, path: &YamlPath, out: &mut Diagnostics) -> Option<Pattern> {
    let compiled = text.map(pattern)?;
    let complain = |error: &regex::Error| {
        out.value("profile::baseline", path, format!("not a regular expression: {error}"));
    };
    compiled.inspect_err(complain).ok()
}

fn duration(
    text: Option<&String>,
    path: &YamlPath,
    default: Duration,
    out: &mut Diagnostics,
) -> Duration {
    match text.map(|text| parse_duration(text)) {
        None => default,
        Some(Ok(duration)) => duration,
        Some(Err(message)) => {
            out.value("profile::duration", path, message);
            default
        }
    }
}
