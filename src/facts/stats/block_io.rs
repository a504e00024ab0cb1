//! Files about block devices become numbers by device and operation.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::text::{Files, number};
use super::{BlockIoEntry, BlockIoStats};
use crate::facts::FactsError;
use crate::types::DeviceNumber;

/// The files of v1, in the order of the fields of [`BlockIoStats`]: those of the scheduler that counts everything
/// (CFQ before Linux 5.0, then BFQ), and those of the throttle layer, which are there with any scheduler.
pub(super) const FILES: [&[&str]; 4] = [
    &[
        "blkio.io_service_bytes_recursive",
        "blkio.io_serviced_recursive",
        "blkio.io_queued_recursive",
        "blkio.io_service_time_recursive",
        "blkio.io_wait_time_recursive",
        "blkio.io_merged_recursive",
        "blkio.time_recursive",
        "blkio.sectors_recursive",
    ],
    &[
        "blkio.bfq.io_service_bytes_recursive",
        "blkio.bfq.io_serviced_recursive",
        "blkio.bfq.io_queued_recursive",
        "blkio.bfq.io_service_time_recursive",
        "blkio.bfq.io_wait_time_recursive",
        "blkio.bfq.io_merged_recursive",
        "blkio.bfq.time_recursive",
        "blkio.bfq.sectors_recursive",
    ],
    &["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"],
    &["blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"],
];

/// The first set of files counts whose `io_serviced` has entries; the others then say less, or the same again.
pub(super) fn v1(files: Files<'_>) -> Result<BlockIoStats, FactsError> {
    for names in FILES {
        let is_counting = match names.get(1) {
            Some(serviced) => !entries(files, serviced)?.is_empty(),
            None => false,
        };
        if is_counting {
            let mut stats = BlockIoStats::default();
            for (place, name) in places(&mut stats).into_iter().zip(names) {
                *place = entries(files, name)?;
            }
            return Ok(stats);
        }
    }
    Ok(BlockIoStats::default())
}

fn places(stats: &mut BlockIoStats) -> [&mut Vec<BlockIoEntry>; 8] {
    [
        &mut stats.service_bytes,
        &mut stats.serviced,
        &mut stats.queued,
        &mut stats.service_time,
        &mut stats.wait_time,
        &mut stats.merged,
        &mut stats.time,
        &mut stats.sectors,
    ]
}

/// Lines `8:0 Read 100` or `8:0 100`; a line `Total 100` at the end is passed over. A missing file is an empty one.
fn entries(files: Files<'_>, name: &'static str) -> Result<Vec<BlockIoEntry>, FactsError> {
    let mut found = Vec::new();
    for (at, line) in files.text(name).unwrap_or_default().lines().enumerate() {
        let words: Vec<_> = line.split([' ', ':']).filter(|word| !word.is_empty()).collect();
        if matches!(words[..], [] | ["Total", _]) {
            continue;
        }
        found.push(entry(&words).ok_or_else(|| {
            FactsError::expected(name, at + 1, "`major:minor`, an operation or none, a number")
        })?);
    }
    Ok(found)
}

fn entry(words: &[&str]) -> Option<BlockIoEntry> {
    let (major, minor, op, value) = match *words {
        [major, minor, value] => (major, minor, "", value),
        [major, minor, op, value] => (major, minor, op, value),
        _ => return None,
    };
    let device = DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? };
    Some(BlockIoEntry { device, op: op.to_string(), value: number(value)? })
}

/// Lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6` of `io.stat`.
///
/// Kernels from 5.10 to 5.16 begin a line for a device that has no numbers and go on with the next device in it, so the
/// numbers belong to the last device before them. Keys of the cost and latency controllers are passed over.
pub(super) fn v2(files: Files<'_>) -> Result<BlockIoStats, FactsError> {
    let mut stats =
        BlockIoStats { pressure: files.pressure("io.pressure")?, ..BlockIoStats::default() };
    for (at, line) in files.text("io.stat").unwrap_or_default().lines().enumerate() {
        let mut device = None;
        for word in line.split_ascii_whitespace() {
            read_word(&mut stats, &mut device, word)
                .ok_or_else(|| FactsError::expected("io.stat", at + 1, EXPECTED))?;
        }
    }
    Ok(stats)
}

const EXPECTED: &str = "`major:minor`, then keys and numbers joined by `=`";

fn read_word(
    stats: &mut BlockIoStats,
    device: &mut Option<DeviceNumber>,
    word: &str,
) -> Option<()> {
    let Some((key, value)) = word.split_once('=') else {
        let (major, minor) = word.split_once(':')?;
        *device = Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? });
        return Some(());
    };
    let device = (*device)?;
    let (list, op) = match key {
        "rbytes" => (&mut stats.service_bytes, "Read"),
        "wbytes" => (&mut stats.service_bytes, "Write"),
        "dbytes" => (&mut stats.service_bytes, "Discard"),
        "rios" => (&mut stats.serviced, "Read"),
        "wios" => (&mut stats.serviced, "Write"),
        "dios" => (&mut stats.serviced, "Discard"),
        _ => return Some(()),
    };
    list.push(BlockIoEntry { device, op: String::from(op), value: number(value)? });
    Some(())
}
