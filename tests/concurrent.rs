//! Many runs at once, readers that never stop, and kills at random times: no reader ever meets a missing, short or zero
//! key (K2), what encrypts was known as next before (K4), nothing is lost, and in the end every slot is in order (K3).

// In a test a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Lab, files, is_whole, run, stek};

/// The set of one NAME as a reader copied it.
type Copied = [Vec<u8>; 4];

fn rotate(directory: &Path, more: &[&str]) -> common::Ended {
    let period = common::long_period().0.to_string();
    run(stek().args(["rotate", "-d", directory.to_str().unwrap(), "-p", &period]).args(more), b"")
}

fn copy(directory: &Path, name: &str) -> Result<Copied, String> {
    let mut copied = Copied::default();
    for (slot, copied) in copied.iter_mut().enumerate() {
        let file = format!("{name}.{slot}.key");
        *copied = std::fs::read(directory.join(&file)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{file} is missing"),
            _ => format!("{file}: {error}"),
        })?;
        if copied.len() != 80 || copied.iter().all(|byte| *byte == 0) {
            return Err(format!("{file} has {} bytes, or zeros", copied.len()));
        }
    }
    Ok(copied)
}

/// Every slot of every NAME there, whole, of its own, dated in order; nothing else in the directory.
fn check_order(directory: &Path, names: &[String]) {
    let found = files(directory);
    assert_eq!(found.len(), names.len() * 4, "{:?}", found.keys());
    let (mut keys, mut inodes) = (BTreeSet::new(), BTreeSet::new());
    for (file, found) in &found {
        assert!(is_whole(&found.content), "K2: {file}");
        assert!(keys.insert(&found.content), "K6: {file} is there twice");
        assert!(inodes.insert(found.inode), "{file} is another slot's file");
    }
    let (period, now) = common::long_period();
    for name in names {
        let epochs = (0..4).map(|slot| found[&format!("{name}.{slot}.key")].mtime.div_euclid(period));
        assert!(epochs.eq((0..4).map(|slot| now + 1 - slot)), "{name}");
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}.example")).collect()
}

/// Looks at the current key and the next one at one moment: `None` in the midst of a rotation.
fn current_and_next(directory: &Path, name: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let read = |slot: usize| std::fs::read(directory.join(format!("{name}.{slot}.key"))).unwrap_or_default();
    let (current, next) = (read(1), read(0));
    (current == read(1) && current != next).then_some((current, next))
}

/// Lets `writers` loops of 25 forced rotations each run at once, under the eyes of readers; rotations and copies seen.
fn crowd(writers: usize) {
    const RUNS: usize = 25;
    let Some(lab) = Lab::in_memory() else { return common::skip("there is no tmpfs to write to") };
    let directory = lab.directory("keys");
    let names = names(3);
    let operands: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(rotate(&directory, &operands).code, Some(0));
    let first: BTreeMap<_, _> = files(&directory);

    let running = AtomicUsize::new(writers);
    let (copies, promotions, overtaken) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::<String>::new());
    let forced: Vec<&str> = ["--force"].into_iter().chain(operands).collect();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                for _ in 0..RUNS {
                    let ended = rotate(&directory, &forced);
                    if ended.code != Some(0) || !ended.errors.is_empty() {
                        let words = String::from_utf8_lossy(&ended.errors).into_owned();
                        wrong.lock().unwrap().push(format!("a run ended with {:?}: {words}", ended.code));
                    }
                }
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        // Copies every set, as a server that reloads does.
        scope.spawn(|| {
            while running.load(Ordering::Relaxed) > 0 {
                for name in &names {
                    copies.fetch_add(1, Ordering::Relaxed);
                    if let Err(missing) = copy(&directory, name) {
                        wrong.lock().unwrap().push(format!("K2: {missing}"));
                    }
                }
            }
        });
        // Watches what becomes current: it must be what was next. If slot 2 does not hold what was current, more than one
        // rotation passed since it looked, and it cannot tell.
        scope.spawn(|| {
            let mut known = BTreeMap::new();
            while running.load(Ordering::Relaxed) > 0 {
                for name in &names {
                    let Some((current, next)) = current_and_next(&directory, name) else { continue };
                    let former = std::fs::read(directory.join(format!("{name}.2.key"))).unwrap_or_default();
                    match known.get(name) {
                        Some((old, _)) if *old == current => {}
                        Some((_, expected)) if *expected == current => {
                            promotions.fetch_add(1, Ordering::Relaxed);
                        }
                        Some((old, _)) if *old == former => {
                            wrong.lock().unwrap().push(format!("K4: {name} encrypts with a key that was never next"));
                        }
                        Some(_) => {
                            overtaken.fetch_add(1, Ordering::Relaxed);
                        }
                        None => {}
                    }
                    known.insert(name, (current, next));
                }
            }
        });
    });
    common::say(&format!(
        "{writers} loops of {RUNS} forced rotations of {} NAMEs: {} sets copied, {} promotions seen, {} not, {:.1} s",
        names.len(),
        copies.load(Ordering::Relaxed),
        promotions.load(Ordering::Relaxed),
        overtaken.load(Ordering::Relaxed),
        begin.elapsed().as_secs_f32()
    ));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} times, first {}", wrong.len(), wrong[0]);
    check_order(&directory, &names);
    let last = files(&directory);
    assert!(first.iter().all(|(file, first)| last[file].content != first.content));
    assert!(promotions.load(Ordering::Relaxed) > 0, "no reader saw a key come");
}

#[test]
fn two_at_once() {
    crowd(2);
}

#[test]
fn eight_at_once() {
    crowd(8);
}

/// A small generator (xorshift): random enough for moments, and a failure can be run again.
struct Moments(u64);

impl Moments {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn killed_at_random() {
    const ENOUGH: usize = 300;
    const MOST: usize = 1000;
    let Some(lab) = Lab::in_memory() else { return common::skip("there is no tmpfs to write to") };
    let directory = lab.directory("keys");
    let names = names(20);
    let operands: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(rotate(&directory, &operands).code, Some(0));
    let forced: Vec<&str> = ["--force"].into_iter().chain(operands.iter().copied()).collect();
    let mut whole_run = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        assert_eq!(rotate(&directory, &forced).code, Some(0));
        whole_run = whole_run.min(begin.elapsed());
    }
    let period = common::long_period().0.to_string();
    let seed = 0x5eed_0f57_e4ce_75a1;
    let mut moments = Moments(seed);
    let limit = u64::try_from(whole_run.as_micros()).unwrap() + 1;
    let (mut kills, mut died, mut partly) = (0, 0, 0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut copies = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                for name in &names {
                    copy(&directory, name)?;
                    copies += 1;
                }
                // There is little use in a reader that keeps the processor from the run that it reads from.
                std::thread::sleep(Duration::from_micros(500));
            }
            Ok::<_, String>(copies)
        });
        while died < ENOUGH && kills < MOST {
            kills += 1;
            let before: Vec<_> = names.iter().map(|name| copy(&directory, name).unwrap()).collect();
            let mut child = stek()
                .args(["rotate", "-d", directory.to_str().unwrap(), "-p", &period])
                .args(&forced)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // A sleep would last too long on a busy machine.
            let moment = Instant::now() + Duration::from_micros(moments.below(limit));
            while Instant::now() < moment {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            died += usize::from(!child.wait().unwrap().success());
            let mut moved = 0;
            for (name, before) in names.iter().zip(&before) {
                let now = copy(&directory, name).unwrap_or_else(|missing| panic!("K2: {missing}"));
                moved += usize::from(now != *before);
                for (slot, key) in before[..3].iter().enumerate() {
                    assert!(now.contains(key), "K3: {name} lost the key of slot {slot}");
                }
                assert!(now[1] == before[1] || now[1] == before[0], "K4: {name}");
            }
            partly += usize::from(moved > 0 && moved < names.len());
        }
        assert_eq!(rotate(&directory, &operands).code, Some(0));
        stop.store(true, Ordering::Relaxed);
        let copies = reader.join().unwrap().unwrap_or_else(|missing| panic!("K2: {missing}"));
        common::say(&format!(
            "{kills} kills at random times, {died} met a run, {partly} in its midst; {copies} sets copied meanwhile"
        ));
    });
    check_order(&directory, &names);
    let again = rotate(&directory, &["--dry-run"]);
    assert!(again.code == Some(0) && again.output.is_empty(), "the next run finds nothing to do");
    assert!(partly > 0, "no kill met a run in its midst");
}
