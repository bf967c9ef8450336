/** The customer's page: the shop and the chat side by side, or one of them on a phone. */
import { useHolder, useMe, useSession } from 'polylogue/react'
import { useState, type ReactNode } from 'react'
import { Chat, ChatPlaceholder } from '../chat/chat.tsx'
import { AskHuman } from '../chat/handover.tsx'
import { PresentPeople } from '../chat/people.tsx'
import { Welcome } from '../chat/welcome.tsx'
import { ChatsLink } from '../chats/chats-link.tsx'
import { Icon } from '../icons.tsx'
import { useIdle } from '../late.ts'
import { useLater } from '../later.ts'
import { shareLink } from '../place.ts'
import { LastScreen } from '../picture/last-screen.tsx'
import { PushBell } from '../push/push-bell.tsx'
import { SessionGate } from '../session-gate.tsx'
import { UpdatePill } from '../update-pill.tsx'
import { whoAmI, type Who } from '../who.ts'
import { CartEditsProvider } from './cart-edits.tsx'
import { Cart, useCartCount } from './cart.tsx'
import { useLocationTool } from './location.ts'
import { Products } from './products.tsx'

// What other conversations have new is read once this one is on the screen.
const loadElsewhere = () => import('../chats/elsewhere.tsx')

export function ShopPage({ session }: { readonly session: string }): ReactNode {
  const [who] = useState(() => whoAmI('user'))
  return (
    <SessionGate id={session} who={who} placeholder={<Loading />}>
      <CartEditsProvider>
        <Shop who={who} />
      </CartEditsProvider>
    </SessionGate>
  )
}

/** The frame, empty: reading the device takes a moment, and nothing must jump after it. */
function Loading(): ReactNode {
  return (
    <div className="shop-page" data-view="chat">
      <div className="shop">
        <Brand />
      </div>
      <ChatPlaceholder header={<header className="chat-header" />} />
    </div>
  )
}

function Brand(): ReactNode {
  return (
    <p className="brand-mark">
      <img src="/icon.svg" alt="" width="32" height="32" />
      Polyshop
    </p>
  )
}

type View = 'chat' | 'shop' | 'cart'

function Shop({ who }: { readonly who: Who }): ReactNode {
  const session = useSession()
  const [view, setView] = useState<View>('chat')
  useLocationTool()
  const ask = (name: string): void => {
    session.send(`Show me the ${name}`)
    setView('chat')
  }
  return (
    <main className="shop-page" data-view={view}>
      <section className="shop" aria-label="Shop">
        <header className="shop-header">
          <Brand />
          <Views view={view} onPick={setView} />
        </header>
        <Cart />
        <Products onAsk={ask} />
      </section>
      <Chat
        header={
          <>
            <ChatHeader who={who} views={<Views view={view} onPick={setView} />} />
            <UpdatePill />
          </>
        }
        empty={<Welcome about={ABOUT} suggestions={SUGGESTIONS} />}
        placeholder="Ask anything…"
      />
      <LastScreen reader={who.id} />
    </main>
  )
}

/** On a phone: what fills the screen. */
function Views({ view, onPick }: { readonly view: View; readonly onPick: (view: View) => void }): ReactNode {
  const count = useCartCount()
  return (
    <nav className="views" aria-label="Views">
      <button type="button" className="round" aria-label="Shop" aria-pressed={view === 'shop'} onClick={() => onPick('shop')}>
        <Icon name="shop" />
      </button>
      <button
        type="button"
        className="round"
        aria-label={`Cart, ${count} items`}
        aria-pressed={view === 'cart'}
        onClick={() => onPick('cart')}
      >
        <Icon name="cart" />
        {count > 0 && <span className="count">{count}</span>}
      </button>
      {/* The chat has no way to itself. */}
      {view !== 'chat' && (
        <button type="button" className="round" aria-label="Chat" onClick={() => onPick('chat')}>
          <Icon name="chat" />
        </button>
      )}
    </nav>
  )
}

function ChatHeader({ who, views }: { readonly who: Who; readonly views: ReactNode }): ReactNode {
  const session = useSession()
  const me = useMe()
  const holder = useHolder()
  const [copied, setCopied] = useState(false)
  const elsewhere = useLater(loadElsewhere, useIdle()).piece
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(shareLink(session.id))
    setCopied(true)
    setTimeout(() => setCopied(false), 2_000)
  }
  return (
    <header className="chat-header">
      {elsewhere === undefined ? <ChatsLink /> : <elsewhere.Elsewhere who={who} />}
      <div className="chat-title">
        <h1>{holder.state === 'human' ? 'Support' : 'Assistant'}</h1>
        <p className="muted">{`You are ${me?.name ?? ''}`}</p>
      </div>
      <PresentPeople />
      <AskHuman />
      <PushBell />
      <button
        type="button"
        className="round ghost share"
        aria-label="Copy the link to this conversation"
        title="Copy the link: whoever opens it joins this conversation"
        // Clipboards refuse, for instance without a secure context; the address bar has the link as well.
        onClick={() => void copy().catch(() => {})}
      >
        <Icon name={copied ? 'check' : 'link'} />
      </button>
      {views}
    </header>
  )
}

const ABOUT =
  'Everybody who has this link is in the same conversation, on every device. It goes on when you close the page, and can be read and written offline.'
const SUGGESTIONS = [
  'Where is my order 1042?',
  'Show me the XM headphones',
  'Where’s the nearest store?',
  'Research noise-cancelling headphones under $300',
  'Buy the XM headphones and cancel my existing order',
]
