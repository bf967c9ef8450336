/** The page's entry: the shop with its chat, or the support desk. */
import { StrictMode, lazy, Suspense } from 'react'
import { createRoot } from 'react-dom/client'
import { currentPlace } from './place.ts'
import { ShopPage } from './shop/shop-page.tsx'
import './styles/base.css'
import './styles/chat.css'
import './styles/message.css'
import './styles/transcript.css'
import './styles/actions.css'
import './styles/cards.css'
import './styles/queue.css'
import './styles/approval.css'
import './styles/push.css'
import './styles/shop.css'
import './styles/desk.css'
import './styles/desk-columns.css'

// A customer's phone need not fetch the desk.
const DeskPage = lazy(() => import('./desk/desk-page.tsx'))

const place = currentPlace()
const root = document.querySelector('#app')
if (root === null) throw new Error('index.html has no #app')
createRoot(root).render(
  <StrictMode>
    {place.page === 'shop' ? (
      <ShopPage session={place.session} />
    ) : (
      <Suspense>
        <DeskPage sessions={place.sessions} />
      </Suspense>
    )}
  </StrictMode>,
)

if ('serviceWorker' in navigator && window.isSecureContext) {
  navigator.serviceWorker.register('/sw.js').catch((error: unknown) => console.warn('No offline start:', error))
}
