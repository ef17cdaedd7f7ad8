//! Bytes in blocks, each with a checksum.

use std::io::{Error, ErrorKind, Read, Result, Write};

use twox_hash::XxHash3_64;

/// Bytes of one block at most.
const BLOCK_BYTES: usize = 1 << 20;
/// Length and checksum.
const HEADER_BYTES: usize = 12;

/// Returns the checksum of a block; its number is part of it, so that blocks that changed
/// places are noticed.
fn checksum(number: u64, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(number, bytes)
}

/// Cuts what is written into blocks.
pub(super) struct BlockWriter<W> {
    inner: W,
    block: Vec<u8>,
    number: u64,
}

impl<W: Write> BlockWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            block: Vec::with_capacity(BLOCK_BYTES),
            number: 0,
        }
    }

    fn put_block(&mut self) -> Result<()> {
        let length = self.block.len() as u32;
        let checksum = checksum(self.number, &self.block);
        self.inner.write_all(&length.to_le_bytes())?;
        self.inner.write_all(&checksum.to_le_bytes())?;
        self.inner.write_all(&self.block)?;
        self.block.clear();
        self.number += 1;
        Ok(())
    }

    /// Writes what is left and the empty block.
    pub(super) fn finish(mut self) -> Result<W> {
        if !self.block.is_empty() {
            self.put_block()?;
        }
        self.put_block()?;
        self.inner.flush()?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for BlockWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let room = BLOCK_BYTES - self.block.len();
        let taken = bytes.len().min(room);
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK_BYTES {
            self.put_block()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> Result<()> {
        // A block is written when it is full.
        Ok(())
    }
}

/// Gives out the bytes of blocks, each after it was checked.
pub(super) struct BlockReader<R> {
    inner: R,
    block: Vec<u8>,
    at: usize,
    number: u64,
    ended: bool,
}

impl<R: Read> BlockReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            block: Vec::new(),
            at: 0,
            number: 0,
            ended: false,
        }
    }

    fn next_block(&mut self) -> Result<()> {
        let mut header = [0; HEADER_BYTES];
        self.inner.read_exact(&mut header)?;
        let (length, expected) = header.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
        let expected = u64::from_le_bytes(expected.try_into().unwrap_or_default());
        if length > BLOCK_BYTES {
            return Err(damaged(self.number));
        }
        self.block.resize(length, 0);
        self.inner.read_exact(&mut self.block)?;
        if checksum(self.number, &self.block) != expected {
            return Err(damaged(self.number));
        }
        self.at = 0;
        self.number += 1;
        self.ended = length == 0;
        if self.ended && self.inner.read(&mut [0])? != 0 {
            return Err(Error::new(ErrorKind::InvalidData, "bytes follow its end"));
        }
        Ok(())
    }
}

impl<R: Read> Read for BlockReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.at == self.block.len() && !self.ended {
            self.next_block()?;
        }
        let left = &self.block[self.at..];
        let given = bytes.len().min(left.len());
        bytes[..given].copy_from_slice(&left[..given]);
        self.at += given;
        Ok(given)
    }
}

fn damaged(number: u64) -> Error {
    let what = format!("the checksum of block {number} is another");
    Error::new(ErrorKind::InvalidData, what)
}
