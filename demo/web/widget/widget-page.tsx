/** The conversation of whoever looks at the page around the frame. */
import { hasEnded } from 'polylogue'
import { SessionProvider, useHolder, useMe, useOpenSession, useSession } from 'polylogue/react'
import type { Widget, WidgetState } from 'polylogue/widget'
import { useEffect, useSyncExternalStore, type KeyboardEvent, type ReactNode } from 'react'
import { Chat, ChatPlaceholder } from '../chat/chat.tsx'
import { AskHuman } from '../chat/handover.tsx'
import { PresentPeople } from '../chat/people.tsx'
import { Welcome } from '../chat/welcome.tsx'
import { Icon } from '../icons.tsx'

interface WidgetProps {
  readonly widget: Widget
}

export function WidgetPage({ widget }: WidgetProps): ReactNode {
  const state = useSyncExternalStore(
    (listener) => widget.subscribe(listener),
    () => widget.state,
  )
  const { session, visit, refused } = state
  if (refused !== null) return <p className="widget-refused">This chat is not available here.</p>
  if (session === null) return <ChatPlaceholder header={<Header widget={widget} state={state} />} />
  return <Conversation key={visit} id={session} widget={widget} state={state} />
}

function Conversation({ id, widget, state }: WidgetProps & { readonly id: string; readonly state: WidgetState }): ReactNode {
  const session = useOpenSession({
    url: widget.url,
    id,
    token: () => widget.token(),
    // Being offline is no error of the page; the status says it.
    onError: (error, { stage }) => console.debug(stage, error),
  })
  useEffect(() => (session === null ? undefined : widget.track(session)), [session, widget])
  const header = <Header widget={widget} state={state} />
  if (session === null) return <ChatPlaceholder header={header} />
  return (
    <SessionProvider session={session}>
      <WhenReady widget={widget} state={state} />
    </SessionProvider>
  )
}

function WhenReady({ widget, state }: WidgetProps & { readonly state: WidgetState }): ReactNode {
  const session = useSession()
  const me = useMe()
  const holder = useHolder()
  useFocusWhenShown(state.shown && me !== null)
  if (me === null) return <ChatPlaceholder header={<Header widget={widget} state={state} />} />
  // Escape stops what is under way first; only then does it close.
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && session.view.runs.some(({ status }) => !hasEnded(status))) event.preventDefault()
  }
  return (
    <main className="widget-page" onKeyDown={onKeyDown}>
      <Chat
        header={
          <Header widget={widget} state={state} title={holder.state === 'human' ? 'Support' : undefined}>
            <PresentPeople />
            <AskHuman />
          </Header>
        }
        empty={<Welcome about={ABOUT} suggestions={SUGGESTIONS} />}
        placeholder="Ask anything…"
      />
    </main>
  )
}

/** Whoever opens the chat wants to write. */
function useFocusWhenShown(shown: boolean): void {
  useEffect(() => {
    if (shown) document.querySelector<HTMLElement>('.composer textarea')?.focus()
  }, [shown])
}

function Header({
  widget,
  state,
  title,
  children,
}: WidgetProps & {
  readonly state: WidgetState
  readonly title?: string | undefined
  readonly children?: ReactNode
}): ReactNode {
  return (
    <header className="chat-header">
      <div className="chat-title">
        <h1>{title ?? state.looks.title}</h1>
      </div>
      {children}
      <button type="button" className="round ghost" aria-label="Close" onClick={() => widget.close()}>
        <Icon name="close" />
      </button>
    </header>
  )
}

const ABOUT = 'This conversation goes on when you leave the page, and is here when you come back.'
const SUGGESTIONS = ['Where is my order 1042?', 'Show me the XM headphones', 'I want a human']
