/**
 * IndexedDB with promises: the few calls that the local store makes. `idb` does more, and would be a thirtieth of all that a page
 * loads for the client.
 */

/** The result of a request. */
export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error as DOMException)
  })
}

/** Resolves when all of a transaction is on the device; rejects when nothing of it is. */
export function done(transaction: IDBTransaction): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error as DOMException)
  })
  // A request of it may reject first, and is waited for instead.
  ended.catch(() => {})
  return ended
}

/** Opens a database of one version, making its stores where it is new. Steps aside when another tab erases it. */
export async function openDatabase(name: string, create: (database: IDBDatabase) => void): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => create(request.result)
  const database = await result(request)
  database.onversionchange = () => database.close()
  return database
}
