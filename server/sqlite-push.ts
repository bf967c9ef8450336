/** What a store in SQLite keeps for push: subscribers, notices, and keys that are made once. Transactions are the store's affair. */
import type { DatabaseSync } from 'node:sqlite'
import type { Notice, Subscriber } from './store.ts'

export class PushTables {
  readonly #sql: ReturnType<typeof prepare>

  constructor(db: DatabaseSync) {
    this.#sql = prepare(db)
  }

  subscribe({ session, participant, kind, endpoint, p256dh, auth, via }: Subscriber, most: number): void {
    const { subscribe, unsubscribe, disown, trim } = this.#sql
    disown.run(endpoint, participant)
    // Put anew, so that it is the newest.
    unsubscribe.run(endpoint, session)
    subscribe.run(session, participant, kind, endpoint, p256dh, auth, via ?? null)
    trim.run(session, participant, session, participant, most)
  }

  unsubscribe(endpoint: string, session?: string): void {
    if (session === undefined) this.#sql.unsubscribeAll.run(endpoint)
    else this.#sql.unsubscribe.run(endpoint, session)
  }

  unsubscribeAll({ participant, session }: { participant?: string; session?: string }): void {
    this.#sql.unsubscribeWho.run(participant ?? null, session ?? null)
  }

  subscribers(session: string): Subscriber[] {
    return this.#sql.listSubscribers.all(session).map(({ via, ...row }) => {
      return { ...row, ...(via === null ? {} : { via }) } as unknown as Subscriber
    })
  }

  subscribed(): string[] {
    return this.#sql.subscribed.all().map((row) => String(row['session']))
  }

  put(notice: Notice): void {
    this.#sql.putNotice.run(notice.session, notice.id, notice.at, JSON.stringify(notice))
  }

  notices(): Notice[] {
    return this.#sql.listNotices.all().map((row) => JSON.parse(String(row['data'])) as Notice)
  }

  take(session: string, id: string): boolean {
    return this.#sql.takeNotice.run(session, id).changes === 1
  }

  keep(name: string, value: string): string {
    this.#sql.keep.run(name, value)
    return String(this.#sql.kept.get(name)?.['value'])
  }

  erase(session: string): void {
    this.#sql.dropSubscribers.run(session)
    this.#sql.dropNotices.run(session)
  }
}

function prepare(db: DatabaseSync) {
  return {
    subscribe: db.prepare(`
      insert into subscribers (session, participant, kind, endpoint, p256dh, auth, via) values (?, ?, ?, ?, ?, ?, ?)`),
    unsubscribe: db.prepare('delete from subscribers where endpoint = ? and session = ?'),
    unsubscribeAll: db.prepare('delete from subscribers where endpoint = ?'),
    unsubscribeWho: db.prepare(
      'delete from subscribers where participant = coalesce(?, participant) and session = coalesce(?, session)',
    ),
    disown: db.prepare('delete from subscribers where endpoint = ? and participant <> ?'),
    trim: db.prepare(`
      delete from subscribers where session = ? and participant = ? and id not in (
        select id from subscribers where session = ? and participant = ? order by id desc limit ?)`),
    listSubscribers: db.prepare(`
      select session, participant, kind, endpoint, p256dh, auth, via from subscribers where session = ? order by id`),
    subscribed: db.prepare('select distinct session from subscribers'),
    dropSubscribers: db.prepare('delete from subscribers where session = ?'),
    putNotice: db.prepare('insert or replace into notices (session, id, at, data) values (?, ?, ?, ?)'),
    takeNotice: db.prepare('delete from notices where session = ? and id = ?'),
    listNotices: db.prepare('select data from notices order by at'),
    dropNotices: db.prepare('delete from notices where session = ?'),
    keep: db.prepare('insert into kept (name, value) values (?, ?) on conflict (name) do nothing'),
    kept: db.prepare('select value from kept where name = ?'),
  }
}
