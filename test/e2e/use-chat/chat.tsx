/** A chat as an app on the AI SDK has it. Two lines are other than with the SDK's own transport; each says what it was. */
import { useChat } from '@ai-sdk/react'
import { getToolName, isToolUIPart, type UIMessage } from 'ai'
import { sessionChat } from 'polylogue/ai-sdk' // import { DefaultChatTransport } from 'ai'
import type { OpenSession } from 'polylogue'
import { useState, type FormEvent, type ReactNode } from 'react'

export function Chat({ session }: { session: OpenSession }): ReactNode {
  const { messages, sendMessage, status, stop, error, addToolApprovalResponse } = useChat({
    chat: sessionChat(session), // transport: new DefaultChatTransport({ api: '/api/chat' }),
  })
  const [text, setText] = useState('')
  const send = (event: FormEvent): void => {
    event.preventDefault()
    void sendMessage({ text })
    setText('')
  }
  const approve = (id: string): ReactNode => (
    <>
      <button onClick={() => void addToolApprovalResponse({ id, approved: true })}>Approve</button>
      <button onClick={() => void addToolApprovalResponse({ id, approved: false })}>Deny</button>
    </>
  )
  return (
    <main data-status={status}>
      {messages.map((message) => (
        <article key={message.id} data-role={message.role}>
          {message.parts.map((part, index) => (
            <Part key={index} part={part} approve={approve} />
          ))}
        </article>
      ))}
      {error !== undefined && <p role="alert">{error.message}</p>}
      <form onSubmit={send}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
      </form>
      <button onClick={() => void stop()}>Stop</button>
    </main>
  )
}

function Part({ part, approve }: { part: UIMessage['parts'][number]; approve: (id: string) => ReactNode }): ReactNode {
  if (part.type === 'text') return part.text
  if (!isToolUIPart(part)) return null
  return (
    <span>
      [{getToolName(part)} {part.state}]{part.state === 'approval-requested' && approve(part.approval.id)}
    </span>
  )
}
