/** The page's entry: the shop with its chat, the conversations of this device, or the support desk. */
import { StrictMode } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { watchVersion } from './app-version.ts'
import { timeOf } from './chat/time.tsx'
import { begin } from './chats/begin.ts'
import { watchInstall } from './chats/install-hint.tsx'
import { sayContained } from './contained.tsx'
import { currentPlace } from './place.ts'
import { keepFocus } from './focus.ts'
import { LaterPage } from './later-page.tsx'
import { ShopPage } from './shop/shop-page.tsx'
import { SkipLinks } from './skip-links.tsx'
import './styles/conversation.css'
import './styles/shop.css'
import './styles/desk.css'
import './styles/desk-columns.css'
import './styles/chats.css'
import './styles/pages.css'
import './styles/last-screen.css'
import { watchViewport } from './viewport.ts'
import { fetchTokenEarly, whoAmI } from './who.ts'

// A customer's phone need not fetch the desk.
const loadDesk = () => import('./desk/desk-page.tsx')
const loadChats = () => import('./chats/chats-page.tsx')

watchInstall()
watchViewport()
const place = currentPlace()
if (place.page === 'shop') fetchTokenEarly(place.session, whoAmI('user'))
// Its address may be anybody's next; that it is begun here, under this name, needs no server.
if (place.page === 'shop' && place.isNew) begin(place.session, whoAmI('user'))
const root = document.querySelector('#app')
if (root === null) throw new Error('index.html has no #app')
keepFocus(root)
// At once, and its effects with it: the session is read from the device while the frame around it is painted.
flushSync(() =>
  createRoot(root, { onCaughtError: sayContained }).render(
    <StrictMode>
      <SkipLinks />
      {place.page === 'shop' && <ShopPage session={place.session} />}
      {place.page === 'chats' && <LaterPage load={loadChats}>{({ ChatsPage }) => <ChatsPage />}</LaterPage>}
      {place.page === 'desk' && <LaterPage load={loadDesk}>{({ DeskPage }) => <DeskPage sessions={place.sessions} />}</LaterPage>}
    </StrictMode>,
  ),
)

// The first time of day takes a slow phone a tenth of a second; now it has nothing else to do than to wait for its storage.
timeOf(Date.now())
watchVersion()
