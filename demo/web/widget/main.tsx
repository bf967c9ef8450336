/** The page in the widget's frame: the shop's chat alone, for a page of somebody else around it. */
import { connectWidget } from 'polylogue/widget'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { sayContained } from '../contained.tsx'
import '../styles/conversation.css'
import '../styles/widget.css'
import { WidgetPage } from './widget-page.tsx'

const root = document.querySelector('#app')
if (root === null) throw new Error('widget.html has no #app')
const widget = await connectWidget()
const { locale, theme } = widget.state.looks
document.documentElement.lang = locale
// The system's choice unless the page around the frame has made one.
if (theme !== 'auto') document.documentElement.dataset['theme'] = theme
createRoot(root, { onCaughtError: sayContained }).render(
  <StrictMode>
    <WidgetPage widget={widget} />
  </StrictMode>,
)
