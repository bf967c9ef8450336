/**
 * The file of `sqlite-tail.ts`.
 *
 * 1. A record is one batch: all of it is there or none. It is written in place, in blocks that the file already has, so a
 *    write needs no room on the disk and changes nothing but its own bytes.
 * 2. Records belong to an epoch, which the database knows. The transaction that takes the rows over also begins the next
 *    epoch; so each record is taken over exactly once, whenever the process dies. What an earlier epoch left is written over.
 *    An epoch is a random number: nobody can write content that would be read as a record.
 * 3. The rows carry their sequences and sums. A record whose bytes are damaged is left out, those after it are read: the
 *    sessions that miss an update are then found to be damaged when they are read, and no other session is.
 */
import { randomInt } from 'node:crypto'
import { closeSync, constants, fdatasyncSync, fsyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'

/** A row of the table `updates`. */
export interface TailRow {
  /** Number of the session. */
  readonly id: number
  readonly seq: number
  readonly sum: number
  readonly data: Uint8Array
}

/** Size of the file, in bytes. */
const FILE_BYTES = 512 * 1024
/** Records begin at multiples of this, so that the next one is found where one is damaged. */
const ALIGNMENT = 8
/** Marks the beginning of a record ("Tail"). */
const MAGIC = 0x5461_696c
/** Magic, sum of all that follows it (4 each), epoch (6), flags, a reserved byte, length of the rows (4), a reserved word. */
const HEAD_BYTES = 24
/** Session and sequence (6 each), sum and length of the data (4 each). */
const ROW_HEAD_BYTES = 20
/** One call that writes and syncs; Windows has none. */
const HAS_DSYNC = 'O_DSYNC' in constants
/** Flag: the record was on the disk before the next one was begun. */
const SYNCED = 1

/** A number for the next epoch: 47 random bits. */
export const newEpoch = (): number => randomInt(1, 2 ** 47)

export class TailFile {
  readonly #fd: number
  readonly #synced: boolean
  readonly #buffer = Buffer.alloc(FILE_BYTES)
  #epoch: number
  /** Where the next record begins. */
  #end = 0

  private constructor(fd: number, synced: boolean, epoch: number) {
    this.#fd = fd
    this.#synced = synced
    this.#epoch = epoch
  }

  /**
   * Opens or makes the file and gives the rows of `epoch` that are in it, in their order. `synced`: what `add` writes survives
   * loss of power. Throws what the file system throws, also when there is no room.
   */
  static open(file: string, synced: boolean, epoch: number): { tail: TailFile; rows: TailRow[] } {
    const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | (synced && HAS_DSYNC ? constants.O_DSYNC : 0), 0o600)
    try {
      const tail = new TailFile(fd, synced, epoch)
      if (fstatSync(fd).size < FILE_BYTES) {
        // Only what is missing: an older file may hold records.
        const size = fstatSync(fd).size
        writeSync(fd, tail.#buffer, size, FILE_BYTES - size, size)
        fsyncSync(fd)
      }
      return { tail, rows: tail.#read() }
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** Writes a record; false when there is no place for it. Throws what the file system throws; then it is not there. */
  add(rows: readonly TailRow[]): boolean {
    let length = HEAD_BYTES
    for (const { data } of rows) length += ROW_HEAD_BYTES + data.byteLength
    if (this.#end + length > FILE_BYTES) return false
    const record = this.#buffer
    let at = HEAD_BYTES
    for (const { id, seq, sum, data } of rows) {
      record.writeUIntLE(id, at, 6)
      record.writeUIntLE(seq, at + 6, 6)
      record.writeInt32LE(sum, at + 12)
      record.writeUInt32LE(data.byteLength, at + 16)
      record.set(data, at + ROW_HEAD_BYTES)
      at += ROW_HEAD_BYTES + data.byteLength
    }
    record.writeUInt32LE(MAGIC, 0)
    record.writeUIntLE(this.#epoch, 8, 6)
    record.writeUInt16LE(this.#synced ? SYNCED : 0, 14)
    record.writeUInt32LE(length - HEAD_BYTES, 16)
    record.writeUInt32LE(0, 20)
    record.writeUInt32LE(crc32(record.subarray(8, length)), 4)
    for (let written = 0; written < length;)
      written += writeSync(this.#fd, record, written, length - written, this.#end + written)
    if (this.#synced && !HAS_DSYNC) fdatasyncSync(this.#fd)
    this.#end = aligned(this.#end + length)
    return true
  }

  /** To be called once the database has committed the rows and the next epoch. */
  begin(epoch: number): void {
    this.#epoch = epoch
    this.#end = 0
  }

  /** Overwrites all that is in the file. Throws what the file system throws. */
  wipe(): void {
    writeSync(this.#fd, Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0)
  }

  close(): void {
    closeSync(this.#fd)
  }

  #read(): TailRow[] {
    const bytes = Buffer.alloc(FILE_BYTES)
    for (let got = 0; got < FILE_BYTES;) {
      const count = readSync(this.#fd, bytes, got, FILE_BYTES - got, got)
      if (count === 0) break
      got += count
    }
    const rows: TailRow[] = []
    let isWhole = true
    for (let at = 0; at + HEAD_BYTES <= FILE_BYTES;) {
      const length = this.#recordAt(bytes, at)
      if (length === null) {
        isWhole = false
        at += ALIGNMENT
        continue
      }
      // Without a sync in between, the disk may have got a later record and not the one before it: what is after the gap goes
      // as well, as it would have with the power lost a moment earlier.
      if (!isWhole && (bytes.readUInt16LE(at + 14) & SYNCED) === 0) break
      readRows(bytes, at + HEAD_BYTES, at + length, rows)
      at = aligned(at + length)
      this.#end = at
    }
    return rows
  }

  /** Length of the record of this epoch that begins at a place; null when there is none, or one that is damaged. */
  #recordAt(bytes: Buffer, at: number): number | null {
    if (bytes.readUInt32LE(at) !== MAGIC || bytes.readUIntLE(at + 8, 6) !== this.#epoch) return null
    const length = HEAD_BYTES + bytes.readUInt32LE(at + 16)
    if (at + length > FILE_BYTES) return null
    return crc32(bytes.subarray(at + 8, at + length)) === bytes.readUInt32LE(at + 4) ? length : null
  }
}

function readRows(bytes: Buffer, start: number, end: number, rows: TailRow[]): void {
  for (let at = start; at < end;) {
    const dataAt = at + ROW_HEAD_BYTES
    const dataEnd = dataAt + bytes.readUInt32LE(at + 16)
    rows.push({
      id: bytes.readUIntLE(at, 6),
      seq: bytes.readUIntLE(at + 6, 6),
      sum: bytes.readInt32LE(at + 12),
      data: Uint8Array.prototype.slice.call(bytes, dataAt, dataEnd),
    })
    at = dataEnd
  }
}

const aligned = (place: number): number => Math.ceil(place / ALIGNMENT) * ALIGNMENT
