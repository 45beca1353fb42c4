//! Bytes that somebody else wrote: read or refused, within the memory that is stated.

use stats_alloc::Region;
use tidegate::codec::{Form, decode_edits, decode_records_up_to, encode_edits_in};
use tidegate::limits::{
    COLUMNS_DECODED_BYTES_MAX, COLUMNS_DECODED_BYTES_MIN, COLUMNS_DECODED_TIMES, PAGE_EDITS_MAX,
};

use crate::drawn::edits;
use crate::mutant::mutant;
use crate::replicas::Rng;
use crate::{MEMORY, alone};

/// The form of edits that is columns.
const COLUMNS: u8 = 1;
/// And the one that is streams.
const STREAMS: u8 = 2;

/// Reads columns as one who knows nothing of them; returns whether they are some.
fn read(bytes: &[u8]) -> bool {
    let region = Region::new(MEMORY);
    let decoded = decode_records_up_to(bytes, PAGE_EDITS_MAX);
    let allocated = region.change().bytes_allocated;
    let stated = (bytes.len() * COLUMNS_DECODED_TIMES + COLUMNS_DECODED_BYTES_MIN)
        .min(COLUMNS_DECODED_BYTES_MAX);
    assert!(allocated <= stated + bytes.len(), "{allocated} of {} bytes", bytes.len());
    // What may be read with bounds is the same.
    if let Ok(bounded) = decode_edits(bytes) {
        assert_eq!(format!("{bounded:?}"), format!("{:?}", decoded.as_ref().unwrap()));
    }
    decoded.is_ok()
}

#[test]
fn any_bytes_are_read_or_refused() {
    let _turn = alone();
    for seed in 0..20_000 {
        let mut rng = Rng(seed);
        let most = [8, 40, 300][rng.below(3)];
        let length = rng.below(most);
        // Small bytes say more than others here.
        let most = [256, 16, 10][rng.below(3)];
        let byte = |rng: &mut Rng| u8::try_from(rng.below(most)).unwrap();
        let bytes: Vec<_> = (0..length).map(|_| byte(&mut rng)).collect();
        read(&[&[COLUMNS], &bytes[..]].concat());
        read(&[&[STREAMS], &bytes[..]].concat());
    }
}

#[test]
fn mutants_of_columns_are_read_or_refused() {
    mutants_are_read_or_refused(Form::Columns, COLUMNS);
}

#[test]
fn mutants_of_streams_are_read_or_refused() {
    mutants_are_read_or_refused(Form::Streams, STREAMS);
}

fn mutants_are_read_or_refused(form: Form, told: u8) {
    let _turn = alone();
    let (mut read_count, mut refused) = (0, 0);
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let (count, wild) = (4 + rng.below(80), rng.below(2) == 0);
        let bytes = encode_edits_in(form, &edits(&mut rng, count, wild)).unwrap();
        let Some(bytes) = bytes else { continue };
        assert_eq!(bytes[0], told);
        assert!(read(&bytes));
        for _ in 0..60 {
            let changed = mutant(&mut rng, &bytes[1..]);
            if read(&[&[told], &changed[..]].concat()) {
                read_count += 1;
            } else {
                refused += 1;
            }
        }
        for end in 1..bytes.len().min(400) {
            assert!(!read(&bytes[..end]), "seed {seed}: the first {end} bytes are read");
        }
    }
    println!("{read_count} read, {refused} refused");
    // Where all depends on what came before it, few changes still make sense.
    assert!(read_count > 50 && refused > 5_000, "{read_count} read, {refused} refused");
}

/// Columns of one value as often as it is asked, and what zstd made of zeros.
#[test]
fn bombs_are_refused() {
    let _turn = alone();
    let mut one = vec![COLUMNS, 0, 0, 0];
    for shapes in [0_u8, 1, 200] {
        for edits in [&[100_u8][..], &[0xff, 0x7f], &[0xff, 0xff, 0xff, 0x7f]] {
            for value in 8..12_u8 {
                one.truncate(4);
                one.extend([shapes.min(127), 1]);
                one.extend(edits);
                one.extend([value; 300]);
                read(&one);
            }
        }
    }
    // A pool of a gigabyte of zeros.
    let frame = zstd_of_zeros();
    let mut pool = vec![COLUMNS];
    pool.extend([0x81, 0x80, 0x80, 0x80, 0x08]);
    pool.push(u8::try_from(frame.len()).unwrap());
    pool.extend(&frame);
    assert!(!read(&pool));
    assert!(!read(&[COLUMNS]) && !read(&[]) && !read(&[2]));
}

/// A frame without its first bytes that claims to be zeros: one block of one byte, repeated.
fn zstd_of_zeros() -> Vec<u8> {
    // A content of 2^30 bytes in 4 bytes, and blocks of 128 KiB.
    let mut frame = vec![0xa0, 0, 0, 0, 0x40];
    for _ in 0..20 {
        frame.extend([0x02, 0x00, 0x10, 0x00]);
    }
    frame
}
