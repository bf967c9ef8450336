/** Folders and other things that a test makes and that are gone when it has ended. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A new empty folder, removed with all that is in it when the test has ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polylogue-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
