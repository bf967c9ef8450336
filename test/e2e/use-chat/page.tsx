/**
 * The page around the chat: opens the session that its address names, `/chat/SESSION?as=NAME`, and shows the chat or not. With
 * `&with=transport` it is a chat over a transport.
 */
import { useChat } from '@ai-sdk/react'
import { openSession } from 'polylogue'
import { createChatTransport } from 'polylogue/ai-sdk'
import { StrictMode, useState, type ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import { Chat } from './chat.tsx'

const session = openSession({
  url: `ws://${location.host}/sync`,
  id: location.pathname.slice('/chat/'.length),
  token: async () => await (await fetch(`/token${location.search}`)).text(),
})

const isTransport = new URLSearchParams(location.search).get('with') === 'transport'
const transport = createChatTransport(session)

function TransportChat(): ReactNode {
  const { messages, sendMessage, status } = useChat({ transport, messages: transport.messages, resume: true })
  const [text, setText] = useState('')
  return (
    <main data-status={status}>
      {messages.map(({ id, role, parts }) => (
        <article key={id} data-role={role}>
          {parts.map((part) => (part.type === 'text' ? part.text : ''))}
        </article>
      ))}
      <form action={() => void sendMessage({ text })}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
      </form>
    </main>
  )
}

function Page(): ReactNode {
  const [isOpen, setOpen] = useState(true)
  return (
    <>
      {isOpen && (isTransport ? <TransportChat /> : <Chat session={session} />)}
      <button onClick={() => setOpen(!isOpen)}>{isOpen ? 'Leave' : 'Return'}</button>
    </>
  )
}

// A chat over a transport begins with the messages that are there.
await session.ready

const root = document.getElementById('root')
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <Page />
    </StrictMode>,
  )
}
