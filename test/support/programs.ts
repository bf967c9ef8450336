/** Makes the programs of `test/fixtures/` before the tests that start many of them. */
import type { TestProject } from 'vitest/node'
import { bundlePrograms } from './bundling.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the programs. */
    programs?: string
  }
}

/** Called by vitest before the tests of a project begin; what it gives is called after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { folder, remove } = await bundlePrograms(['server', 'agent', 'tab'].map((name) => `test/fixtures/${name}.ts`))
  project.provide('programs', folder)
  return remove
}
