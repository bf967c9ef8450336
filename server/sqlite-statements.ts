/** What a store asks of SQLite, but for pushes and the tail. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { JOB } from './sqlite-jobs.ts'

export type Statements = Readonly<Record<StatementName, StatementSync>>

type StatementName =
  | 'dataVersion'
  | 'findSession'
  | 'addSession'
  | 'dropSession'
  | 'listSessions'
  | 'reach'
  | 'readUpdates'
  | 'addUpdate'
  | 'dropUpdates'
  | 'readSnapshot'
  | 'putSnapshot'
  | 'dropSnapshot'
  | 'addJob'
  | 'hold'
  | 'endJob'
  | 'dropJobs'
  | 'bindClient'
  | 'listClients'
  | 'dropClients'
  | 'putBlob'
  | 'getBlob'
  | 'blobBytes'
  | 'dropBlobs'
  | 'listJobs'
  | 'claim'
  | 'renew'
  | 'extendAll'
  | 'lapsed'
  | 'reopen'

export function prepareStatements(db: DatabaseSync): Statements {
  const readUpdates = db.prepare('select seq, sum, data from updates where session = ? and seq > ? order by seq')
  // Twice as fast as an object per row.
  readUpdates.setReturnArrays(true)
  return {
    dataVersion: db.prepare('pragma data_version'),
    findSession: db.prepare('select id from sessions where name = ?'),
    addSession: db.prepare('insert into sessions (name) values (?)'),
    dropSession: db.prepare('delete from sessions where id = ?'),
    listSessions: db.prepare('select name from sessions'),
    reach: db.prepare(`
      select (select seq from snapshots where session = ?) as snapshot_seq,
             (select max(seq) from updates where session = ?) as last_seq`),
    readUpdates,
    addUpdate: db.prepare('insert into updates (session, seq, sum, data) values (?, ?, ?, ?)'),
    dropUpdates: db.prepare('delete from updates where session = ? and seq <= ?'),
    readSnapshot: db.prepare('select seq, sum, size, data from snapshots where session = ?'),
    putSnapshot: db.prepare('insert or replace into snapshots (session, seq, sum, size, data) values (?, ?, ?, ?, ?)'),
    dropSnapshot: db.prepare('delete from snapshots where session = ?'),
    addJob: db.prepare(`
      insert into jobs (run, session, agent, input, parent, urgent) values (?, ?, ?, ?, ?, ?) on conflict (run) do nothing`),
    hold: db.prepare('update jobs set held = ? where run = ? and worker is null and parent is null'),
    endJob: db.prepare('delete from jobs where run = ?'),
    dropJobs: db.prepare('delete from jobs where session = ?'),
    bindClient: db.prepare(`
      insert into clients (session, client, participant) values (?, ?, ?) on conflict (session, client) do nothing`),
    listClients: db.prepare('select client, participant from clients where session = ?'),
    dropClients: db.prepare('delete from clients where session = ?'),
    putBlob: db.prepare('insert into blobs (session, id, type, data) values (?, ?, ?, ?) on conflict (session, id) do nothing'),
    getBlob: db.prepare('select type, data from blobs where session = ? and id = ?'),
    blobBytes: db.prepare('select coalesce(sum(length(data)), 0) as bytes from blobs where session = ?'),
    dropBlobs: db.prepare('delete from blobs where session = ?'),
    listJobs: db.prepare(`select ${JOB} from jobs order by id`),
    claim: db.prepare(`
      update jobs set generation = generation + 1, worker = ?, expires_at = ?
      where run = ? and worker is null and held = 0 and (parent is not null or not exists (
        -- What the agent must be done with before: the one that it is at, and those that go before this one.
        select 1 from jobs as other
        where other.session = jobs.session and other.agent = jobs.agent and other.parent is null and other.id <> jobs.id
          and (other.worker is not null or (other.held = 0
            and (other.urgent > jobs.urgent or (other.urgent = jobs.urgent and other.id < jobs.id))))))
      returning ${JOB}`),
    renew: db.prepare(`
      update jobs set expires_at = ? where run = ? and generation = ? and worker is not null and expires_at > ?`),
    extendAll: db.prepare('update jobs set expires_at = ? where worker is not null and expires_at < ?'),
    lapsed: db.prepare(`select ${JOB} from jobs where worker is not null and expires_at <= ? order by id`),
    reopen: db.prepare(`
      update jobs set worker = null, expires_at = 0 where run = ? and generation = ? and worker is not null`),
  }
}
