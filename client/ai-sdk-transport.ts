/**
 * A `ChatTransport` of the AI SDK over a session: what a chat sends is written into the session, and it is given the reply as
 * chunks, read from the view. The session is the durable thing, so
 *
 * 1. an abort (a component that is unmounted, StrictMode, a page that is left) lets go of the stream and never cancels a run,
 * 2. cancelling is `stop`, which writes the control flag,
 * 3. a stream that is taken up again begins with the reply as it stands, under its id, so that nothing is shown twice.
 *
 * A transport speaks only when it is asked: an idle chat does not hear of a run that was begun elsewhere. `SessionChat` does.
 */
import type { ChatRequestOptions, ChatTransport, UIMessage, UIMessageChunk } from 'ai'
import type { Run } from '../shared/entries.ts'
import { SessionError } from '../shared/errors.ts'
import { asRecord } from '../shared/layout.ts'
import type { Message, MessagePart, OtherPart, ToolPart } from '../shared/message.ts'
import { hasEnded } from '../shared/run.ts'
import { failureText, replyOf, waitsForPerson } from './ai-sdk-activity.ts'
import { approve, respond } from './ai-sdk-answers.ts'
import { ReplyChunks } from './ai-sdk-chunks.ts'
import type { OpenSession } from './open-session.ts'
import type { SendOptions } from './session.ts'

export interface SessionTransport<M extends UIMessage = UIMessage> extends ChatTransport<M> {
  /** The session's messages, for the `messages` that a chat begins with. */
  readonly messages: M[]
  /**
   * Cancels the runs whose replies were asked for here, also those that wait for somebody. The `stop` of `useChat` lets go of the stream only: the SDK
   * calls it for an unmounted component as well.
   */
  stop(): void
}

type SendMessages<M extends UIMessage> = Parameters<ChatTransport<M>['sendMessages']>[0]

/**
 * A transport for the chats of the AI SDK 7. Its `body` may have `to` and `lane`, as `session.send` does. `sendMessages` rejects
 * with `SessionError`, as `session.send` throws. A message that ends with an assistant's answers tool calls and approvals: with
 * `sendAutomaticallyWhen`, what is given to `addToolOutput` and `addToolApprovalResponse` reaches the agent. `onToolCall` is
 * called in the chat that has sent the message, and in none that resumes. Of several agents that were asked, the reply of the
 * first is streamed.
 */
export function createChatTransport<M extends UIMessage = UIMessage>(session: OpenSession): SessionTransport<M> {
  return new Transport<M>(session)
}

class Transport<M extends UIMessage> implements SessionTransport<M> {
  readonly resumeStreamIsReplay = true
  readonly #session: OpenSession
  /** Inputs whose replies are, or were, streamed, until their run has ended. */
  readonly #inputs = new Set<string>()

  constructor(session: OpenSession) {
    this.#session = session
  }

  get messages(): M[] {
    return [...this.#session.view.messages] as unknown as M[]
  }

  readonly sendMessages = async (options: SendMessages<M>): Promise<ReadableStream<UIMessageChunk>> => {
    const { trigger, messages, messageId, abortSignal, body } = options
    await this.#session.ready
    const last = messages.find(({ id }) => id === messageId && trigger === 'submit-message') ?? messages.at(-1)
    if (last === undefined) throw new SessionError('bad-argument', 'There is no message to send.')
    if (last.role === 'assistant') return await this.#goOn(last, abortSignal)
    const to = trigger === 'regenerate-message' ? this.#askedOf(messageId) : undefined
    const input = this.#session.send(last.parts as unknown as OtherPart[], { ...to, ...sendOptions(body) })
    return this.#stream({ input }, new ReplyChunks(), abortSignal)
  }

  readonly reconnectToStream = async (options: { abortSignal?: AbortSignal }): Promise<ReadableStream<UIMessageChunk> | null> => {
    const { abortSignal } = options
    await this.#session.ready
    const run = await this.#going(abortSignal)
    return run === undefined ? null : this.#stream(run, new ReplyChunks({ silent: true }), abortSignal)
  }

  stop(): void {
    for (const message of this.#inputs) this.#session.cancel({ message })
  }

  /** Whom a reply that is to be made again was asked of. */
  #askedOf(messageId: string | undefined): SendOptions {
    const run = this.#session.message(messageId ?? '')?.metadata.run
    const agent = this.#session.run(run ?? '')?.agent
    return agent === undefined ? {} : { to: [agent] }
  }

  /** A run whose reply can be streamed, as soon as it is known whether there is one. */
  #going(signal: AbortSignal | undefined): Promise<Run | undefined> {
    const session = this.#session
    return new Promise((resolve) => {
      const offs: (() => void)[] = []
      const settle = (run: Run | undefined): void => {
        for (const off of offs.splice(0)) off()
        resolve(run)
      }
      const look = (): void => {
        const run = session.view.runs.findLast((each) => !hasEnded(each.status) && each.parent === undefined)
        const { connection } = session.status
        if (run !== undefined && !waitsForPerson(session, run)) settle(run)
        else if (session.closed || connection === 'live' || connection === 'refused') settle(undefined)
      }
      if (signal?.aborted === true) return resolve(undefined)
      signal?.addEventListener('abort', () => settle(undefined), { once: true })
      offs.push(session.subscribe(look), session.subscribe(look, 'status'))
      look()
    })
  }

  /** The chat has an assistant's message that it has added answers to. */
  async #goOn(last: M, signal: AbortSignal | undefined): Promise<ReadableStream<UIMessageChunk>> {
    const message = this.#session.message(last.id)
    const run = this.#session.run(message?.metadata.run ?? '')
    const parts = last.parts as unknown as readonly MessagePart[]
    const known = message === undefined ? parts : inPlaces(parts, message.parts)
    const answered = message === undefined ? new Set<string>() : await this.#answer(message, known)
    // Nothing to add: an answer of elsewhere. Said as it is, so that the chat does not ask for ever.
    if (run === undefined || (answered.size === 0 && hasEnded(run.status)))
      return only({ type: 'finish', finishReason: 'interrupted' })
    return this.#stream(run, new ReplyChunks({ known }), signal, answered)
  }

  /** Writes the answers that the chat has and the session lacks. Gives the ids of what was answered. */
  async #answer(message: Message, known: readonly MessagePart[]): Promise<ReadonlySet<string>> {
    const answered = new Set<string>()
    for (const part of known as readonly ToolPart[]) {
      const open = message.parts.find((each) => (each as ToolPart).toolCallId === part.toolCallId) as ToolPart | undefined
      if (part.toolCallId === undefined || open === undefined) continue
      if (part.state === 'approval-responded' && open.state === 'approval-requested' && part.approval !== undefined) {
        approve(this.#session, part.approval.id, part.approval.approved === true, part.approval.reason)
      } else if (open.state === 'input-available' && (part.state === 'output-available' || part.state === 'output-error')) {
        const { output, errorText = '' } = part
        await respond(this.#session, part.toolCallId, part.state === 'output-error' ? { errorText } : { output })
      } else continue
      answered.add(part.toolCallId)
    }
    return answered
  }

  /** The reply of a run, or of the first that an input has, until it ends or waits for somebody. */
  #stream(
    { input, id }: { readonly input: string; readonly id?: string },
    chunks: ReplyChunks,
    signal: AbortSignal | undefined,
    answered: ReadonlySet<string> = new Set(),
  ): ReadableStream<UIMessageChunk> {
    const session = this.#session
    let detach = (): void => {}
    return new ReadableStream<UIMessageChunk>({
      start: (controller) => {
        const off = session.subscribe(() => look())
        const close = (...last: UIMessageChunk[]): void => {
          detach()
          for (const chunk of [...chunks.close(), ...last]) controller.enqueue(chunk)
          controller.close()
        }
        const abort = (): void => close()
        detach = () => {
          off()
          signal?.removeEventListener('abort', abort)
        }
        const look = (): void => {
          const run = session.view.runs.find((each) => (id === undefined ? each.input === input : each.id === id))
          if (run === undefined) {
            // Stored, and no agent was asked.
            if (session.message(input)?.metadata.seq !== undefined) close({ type: 'finish', finishReason: 'other' })
            return
          }
          const reply = replyOf(session, run.id)
          const more = reply === undefined ? [] : chunks.next(reply)
          if (more === null) return close({ type: 'error', errorText: 'The reply was begun anew.' })
          for (const chunk of more) controller.enqueue(chunk)
          if (hasEnded(run.status)) this.#inputs.delete(input)
          if (hasEnded(run.status)) close(...endOf(run))
          else if (waitsForPerson(session, run, answered)) close({ type: 'finish', finishReason: 'tool-calls' })
        }
        if (signal?.aborted === true) return abort()
        signal?.addEventListener('abort', abort, { once: true })
        this.#inputs.add(input)
        look()
      },
      cancel: () => detach(),
    })
  }
}

/** Parts that a chat has, each in the place of the session's: a chat keeps no parts that the SDK does not know. */
function inPlaces(chat: readonly MessagePart[], all: readonly MessagePart[]): MessagePart[] {
  let next = 0
  const known: MessagePart[] = []
  for (const part of all) {
    const own = part.type === 'raw' ? part : chat[next++]
    if (own === undefined) break
    known.push(own)
  }
  return known
}

function endOf(run: Run): UIMessageChunk[] {
  if (run.status === 'complete') return [{ type: 'finish', finishReason: 'stop' }]
  if (run.status === 'cancelled') return [{ type: 'abort' }, { type: 'finish', finishReason: 'other' }]
  return [{ type: 'error', errorText: failureText(run) }]
}

function only(chunk: UIMessageChunk): ReadableStream<UIMessageChunk> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(chunk)
      controller.close()
    },
  })
}

/** What a chat's request options say about a message: whom it asks, and in which lane. */
export function sendOptions(body: ChatRequestOptions['body'] | undefined): SendOptions {
  const { to, lane } = asRecord(body) ?? {}
  if (to !== undefined && !(Array.isArray(to) && to.every((name) => typeof name === 'string'))) {
    throw new SessionError('bad-argument', 'body.to must be a list of agents’ names.')
  }
  if (lane !== undefined && lane !== 'queue' && lane !== 'steer' && lane !== 'interrupt') {
    throw new SessionError('bad-argument', `body.lane must be queue, steer or interrupt; it is ${JSON.stringify(lane)}.`)
  }
  return { ...(to === undefined ? {} : { to: to as string[] }), ...(lane === undefined ? {} : { lane }) }
}
