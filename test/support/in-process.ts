/** A server within the test's own process, closed when the test has ended. */
import { onTestFinished } from 'vitest'
import { memoryStore, serve, type RunningServer, type ServeOptions } from '../../server/index.ts'
import { SECRET } from './tokens.ts'

export interface Reported {
  readonly error: unknown
  readonly stage: string
}

/**
 * Starts one on a free port, with a store in memory unless `options` say otherwise. What it reports goes into `reported`. A session
 * that nobody has open is not kept in memory unless its limits say so: whoever opens it next gets what is stored.
 */
export async function serveHere(
  options: Partial<ServeOptions> = {},
): Promise<RunningServer & { readonly reported: readonly Reported[] }> {
  const reported: Reported[] = []
  const server = await serve({
    store: memoryStore(),
    access: { secret: SECRET },
    port: 0,
    onError: (error, { stage }) => reported.push({ error, stage }),
    ...options,
    limits: { idleSessionMs: 0, ...options.limits },
  })
  onTestFinished(async () => void (await server.close(0)))
  return { ...server, reported }
}
