/** Makes the demo's server and its agents one file each before the tests that start them. */
import type { TestProject } from 'vitest/node'
import { bundlePrograms } from '../support/bundling.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the demo's programs. */
    demo?: string
  }
}

/** Called by vitest before the tests of a project begin; what it gives is called after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { folder, remove } = await bundlePrograms(['demo/start.ts', 'demo/agents/main.ts'])
  project.provide('demo', folder)
  return remove
}
