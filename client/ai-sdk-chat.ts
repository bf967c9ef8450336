/**
 * A `Chat` for `useChat` of `@ai-sdk/react` whose messages and status are the session's, read from its view. It has no stream
 * of its own, so there is nothing to resume, to show twice or to lose: every tab shows what the session has, also what was
 * begun elsewhere, by other people and by several agents at once.
 *
 * `useChat` stops no chat that it was given, so `stop` is what a person asks for: it writes the control flag. All other verbs
 * of the SDK's `Chat` are written into the session too; what is inherited is how `useChat` listens.
 */
import { Chat } from '@ai-sdk/react'
import { convertFileListToFileUIParts, type ChatInit, type UIMessage } from 'ai'
import type { Run } from '../shared/entries.ts'
import { SessionError } from '../shared/errors.ts'
import type { OtherPart } from '../shared/message.ts'
import { hasEnded } from '../shared/run.ts'
import { activityOf, replyOf } from './ai-sdk-activity.ts'
import { approve, respond } from './ai-sdk-answers.ts'
import { createChatTransport, sendOptions } from './ai-sdk-transport.ts'
import type { OpenSession } from './open-session.ts'

/** What a chat tells of a session while a component uses it. */
export type SessionChatOptions<M extends UIMessage = UIMessage> = Pick<ChatInit<M>, 'onFinish' | 'onError'>

type Verbs<M extends UIMessage> = Pick<
  Chat<M>,
  'sendMessage' | 'regenerate' | 'stop' | 'resumeStream' | 'addToolOutput' | 'addToolApprovalResponse' | 'clearError' | 'dispose'
>

export class SessionChat<M extends UIMessage = UIMessage> extends Chat<M> implements Verbs<M> {
  readonly #session: OpenSession
  #options: SessionChatOptions<M>
  #users = 0
  #shown: unknown = null
  #failure: { readonly id: string; readonly error: Error } | null = null
  /** Id of the failure that was cleared here. */
  #cleared = ''
  /** Runs that go on, as far as was told; null before the first look. */
  #going: ReadonlySet<string> | null = null

  constructor(session: OpenSession, options: SessionChatOptions<M> = {}) {
    super({ id: session.id, transport: createChatTransport<M>(session) })
    this.#session = session
    this.#options = options
    this.#show()
    const register = this['~registerMessagesCallback']
    this['~registerMessagesCallback'] = (onChange, throttleWaitMs) => {
      const unregister = register(onChange, throttleWaitMs)
      const release = this.#follow()
      return () => {
        unregister()
        release()
      }
    }
  }

  /** @internal Other functions to call from now on. */
  listen(options: SessionChatOptions<M>): void {
    this.#options = options
  }

  /**
   * Writes a message into the session, also without a connection; resolves when it is in the view. `body` may have `to` and
   * `lane`, as `session.send` does. One that replaces another of the user's (`messageId`) is an alternative to it, as
   * `session.edit` makes it. Without a message there is nothing to do, since answers are on their way already. Rejects as
   * `session.send` and `session.edit` throw.
   */
  override sendMessage: Chat<M>['sendMessage'] = async (message, options) => {
    if (message === undefined) return
    const parts = await partsOf<M>(message)
    await this.#session.ready
    const { messageId } = message
    if (messageId === undefined) this.#session.send(parts, sendOptions(options?.body))
    else this.#session.edit(messageId, parts, sendOptions(options?.body))
  }

  /**
   * Asks for another answer, beside the one that there is: to a reply, or to the last one that a message of the user's has got
   * (default: the last message). Rejects with `SessionError` `not-found` when there is nothing that was answered.
   */
  override regenerate: Chat<M>['regenerate'] = async ({ messageId } = {}) => {
    await this.#session.ready
    const { view } = this.#session
    const message = messageId === undefined ? view.messages.at(-1) : this.#session.message(messageId)
    const asked = view.runs.findLast(({ id, input, parent }) => {
      return parent === undefined && input === message?.id && this.#session.isShown(id)
    })
    const run = message?.metadata.run ?? asked?.id
    if (run === undefined) {
      throw new SessionError('not-found', `Nothing was asked for the message ${messageId ?? 'at the end'}.`)
    }
    this.#session.regenerate(run)
  }

  /** Cancels all runs of the session, from whichever tab, and also before an agent has begun. */
  override stop: Chat<M>['stop'] = async () => {
    await this.#session.ready
    this.#session.cancel('all')
  }

  /** A session is in step by itself: there is nothing to resume. */
  override resumeStream: Chat<M>['resumeStream'] = async () => {}

  /** Answers a call of a client's tool. Rejects with `SessionError` when there is none of that id. */
  override addToolOutput: Chat<M>['addToolOutput'] = async ({ state, toolCallId, output, errorText }) =>
    respond(this.#session, toolCallId, state === 'output-error' ? { errorText } : { output })

  /** Answers an approval, from any tab. Rejects with `SessionError` when there is none of that id. */
  override addToolApprovalResponse: Chat<M>['addToolApprovalResponse'] = async ({ id, approved, reason }) =>
    approve(this.#session, id, approved, reason)

  /** Hides a failure in this tab. */
  override clearError = (): void => {
    this.#cleared = this.#failure?.id ?? ''
    this.#show()
  }

  /** Whoever opened the session closes it, and cancels nothing by that. */
  override dispose = async (): Promise<void> => {}

  /** Keeps the state in step while somebody listens; gives the function that ends it. */
  #follow(): () => void {
    this.#users += 1
    if (this.#users === 1) {
      const offs = [this.#session.subscribe(() => this.#show()), this.#session.subscribe(() => this.#show(), 'status')]
      this.#unfollow = () => {
        for (const off of offs) off()
      }
      this.#show()
    }
    return () => {
      this.#users -= 1
      if (this.#users === 0) this.#unfollow()
    }
  }

  #unfollow = (): void => {}

  #show(): void {
    const { messages } = this.#session.view
    if (messages !== this.#shown) {
      this.#shown = messages
      this.state.messages = messages as unknown as M[]
    }
    const { status, failure } = activityOf(this.#session)
    const before = this.#failure
    if (failure === undefined) this.#failure = null
    else if (failure.id !== before?.id) this.#failure = { id: failure.id, error: new Error(failure.text) }
    if (this.#failure === null || this.#failure.id === this.#cleared) {
      this.setStatus({ status: status === 'error' ? 'ready' : status })
    } else this.setStatus({ status, error: this.#failure.error })
    this.#tell(before?.id)
  }

  /** Calls the app's functions for what has happened since the last look, and not for what was there before. */
  #tell(failureBefore: string | undefined): void {
    const { runs } = this.#session.view
    const before = this.#going
    const isListening = this.#users > 0
    this.#going = new Set(runs.filter((run) => !hasEnded(run.status)).map(({ id }) => id))
    if (before === null || !isListening) return
    if (this.#failure !== null && this.#failure.id !== failureBefore) this.#options.onError?.(this.#failure.error)
    for (const run of runs) if (before.has(run.id) && hasEnded(run.status)) this.#finished(run)
  }

  #finished(run: Run): void {
    const message = replyOf(this.#session, run.id)
    if (message === undefined) return
    this.#options.onFinish?.({
      message: message as unknown as M,
      messages: this.messages,
      isAbort: run.status === 'cancelled',
      isDisconnect: false,
      isError: run.status === 'error' || run.status === 'interrupted',
      ...(run.status === 'complete' ? { finishReason: 'stop' } : {}),
    })
  }
}

const chats = new WeakMap<OpenSession, SessionChat>()

/** The chat of a session for `useChat({ chat: sessionChat(session) })`: the same one each time it is called. */
export function sessionChat<M extends UIMessage = UIMessage>(session: OpenSession): SessionChat<M> {
  let chat = chats.get(session)
  if (chat === undefined) chats.set(session, (chat = new SessionChat(session)))
  return chat as unknown as SessionChat<M>
}

async function partsOf<M extends UIMessage>(
  message: NonNullable<Parameters<Chat<M>['sendMessage']>[0]>,
): Promise<readonly OtherPart[]> {
  if (message.parts !== undefined) return message.parts as unknown as readonly OtherPart[]
  const { text, files } = message as { readonly text?: string; readonly files?: FileList | OtherPart[] }
  const fileParts = Array.isArray(files) ? files : ((await convertFileListToFileUIParts(files)) as unknown as OtherPart[])
  return [...fileParts, ...(text === undefined ? [] : [{ type: 'text', text }])]
}
