/** What receives webhooks: it checks their signatures as any receiver would, and answers what the test says. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { onTestFinished } from 'vitest'

export const WEBHOOK_SECRET = 'whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVz'

export interface Delivery {
  readonly id: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly data: { readonly agent: string; readonly session: string; readonly run: string; readonly token: string }
}

export interface Receiver {
  readonly url: string
  /** Deliveries whose signature is right; others are answered with 401 and not kept. */
  readonly deliveries: readonly Delivery[]
  readonly rejected: number
}

/** Starts one. `answer` is asked for the status of each delivery, by default 204. */
export async function startReceiver(answer: (delivery: Delivery) => number = () => 204): Promise<Receiver> {
  const deliveries: Delivery[] = []
  let rejected = 0
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const { headers } = request
      try {
        const { data } = new Webhook(WEBHOOK_SECRET).verify(body, headers as Record<string, string>) as Pick<Delivery, 'data'>
        const delivery = { id: String(headers['webhook-id']), headers, body, data }
        deliveries.push(delivery)
        response.writeHead(answer(delivery)).end()
      } catch {
        rejected += 1
        response.writeHead(401).end()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/wake`,
    deliveries,
    get rejected() {
      return rejected
    },
  }
}
