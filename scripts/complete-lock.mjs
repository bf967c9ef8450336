/**
 * Adds to package-lock.json the packages of other platforms that `npm install` has left out.
 *
 * npm records an optional package only when the registry answers for it. A registry that mirrors one platform makes a lock
 * file without the others, and `npm ci` then refuses it everywhere ("Missing: … from lock file"). Their versions are exact in
 * the package that wants them, and their platform is in their name, so the entries can be made without a registry; only the
 * integrity hash cannot, and an `npm install` against a full registry adds it.
 *
 *   node scripts/complete-lock.mjs    after an `npm install` that has changed package-lock.json
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const OS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const CPU = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

/** See complete-lock.d.mts. */
export function missingFrom(lock) {
  const missing = new Map()
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!resolves(lock.packages, path, name)) missing.set(name, { name, version, dev: entry.dev === true })
    }
  }
  return [...missing.values()]
}

/** As Node looks a package up: beside its user, then in every folder above. */
function resolves(packages, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder}${folder === '' ? '' : '/'}node_modules/${name}`] !== undefined) return true
    if (folder === '') return false
  }
}

function entryOf({ name, version, dev }) {
  const words = name.slice(name.indexOf('/') + 1).split('-')
  const os = words.find((word) => OS.includes(word))
  const cpu = words.find((word) => CPU.includes(word))
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+[\w.+-]*$/.test(version)) {
    throw new Error(`cannot tell the platform of ${name}@${version} by its name, or its version is not exact`)
  }
  const abi = words.at(-1)
  const libc = os !== 'linux' ? null : ({ gnu: 'glibc', musl: 'musl' }[abi] ?? null)
  return { version, cpu: [cpu], ...(dev && { dev }), ...(libc && { libc: [libc] }), optional: true, os: [os] }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = fileURLToPath(new URL('../package-lock.json', import.meta.url))
  const lock = JSON.parse(readFileSync(path, 'utf8'))
  const missing = missingFrom(lock)
  for (const each of missing) lock.packages[`node_modules/${each.name}`] = entryOf(each)
  // npm's own order, so that its next writing changes nothing.
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')))
  if (missing.length > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
  console.log(missing.length === 0 ? 'package-lock.json is complete' : `added ${missing.map(({ name }) => name).join(', ')}`)
}
