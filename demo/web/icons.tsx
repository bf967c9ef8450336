/** The icons, drawn on a grid of 24 with one line width. */
import type { ReactNode } from 'react'

const PATHS = {
  send: 'M12 19V5m-6 6 6-6 6 6',
  stop: 'M7 7h10v10H7z',
  bell: 'M6.5 10a5.5 5.5 0 0 1 11 0c0 5.5 2 6.5 2 6.5h-15s2-1 2-6.5zM10 19.5a2.2 2.2 0 0 0 4 0',
  bellOff: 'M8.2 6a5.5 5.5 0 0 1 9.3 4c0 2 .3 3.4 .7 4.4M6.5 10c0 5.5-2 6.5-2 6.5h11.5M10 19.5a2.2 2.2 0 0 0 4 0M4 4l16 16',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  clock: 'M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0z',
  device: 'M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3zm3 15h2',
  close: 'm6 6 12 12M18 6 6 18',
  cart: 'M3 4h2.2l2.1 11h10.4L20 7.5H6M9 20h.01M16.5 20h.01',
  chat: 'M5 5h14a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 19 17h-7l-5 4v-4H5a1.5 1.5 0 0 1-1.5-1.5v-9A1.5 1.5 0 0 1 5 5z',
  shop: 'M4 10v9.5h16V10M3 9.5 5 4h14l2 5.5M3 9.5a3 3 0 0 0 6 0 3 3 0 0 0 6 0 3 3 0 0 0 6 0M10 19.5V14h4v5.5',
  person: 'M12 11.5a3.75 3.75 0 1 0 0-7.5 3.75 3.75 0 0 0 0 7.5zM4.5 20a7.5 7.5 0 0 1 15 0',
  link: 'M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7l1.2-1.2',
  down: 'M12 5v14m-6-6 6 6 6-6',
  back: 'M19 12H5m6-6-6 6 6 6',
  undo: 'M9 14 4 9l5-5M4 9h10a5.5 5.5 0 0 1 0 11h-3',
  plus: 'M12 6v12M6 12h12',
  minus: 'M6 12h12',
  chevron: 'm9 6 6 6-6 6',
  chevronLeft: 'm15 6-6 6 6 6',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  again: 'M19.5 8.5A8 8 0 1 0 20 14M20 4v4.5h-4.5',
  alert: 'M12 8v5m0 3.2v.1M10.3 4.3 2.9 17.2A2 2 0 0 0 4.6 20h14.8a2 2 0 0 0 1.7-2.8L13.7 4.3a2 2 0 0 0-3.4 0z',
  pause: 'M9 6v12M15 6v12',
  truck: 'M3 6h11v10H3zM14 10h4l3 3v3h-7M7.5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM17 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  pin: 'M12 21s7-6.2 7-11.5a7 7 0 1 0-14 0C5 14.8 12 21 12 21zm0-9a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  steer: 'M4 17h7a4 4 0 0 0 4-4V5m-4 4 4-4 4 4',
  edit: 'M5 19l1-4L16.5 4.5l3 3L9 18z',
  play: 'M8 5.5v13l11-6.5z',
  label: 'M4 5h9l7 7-8 8-8-8zM8.5 9.5h.01',
  wifiOff: 'M3 3l18 18M8.5 15.5a5 5 0 0 1 7 0M5 12a10 10 0 0 1 4.2-2.4M19 12a10 10 0 0 0-5.5-2.8M12 19h.01',
} as const

export type IconName = keyof typeof PATHS

/** An icon beside or in place of a text; the text or an `aria-label` of its parent says what it means. */
export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }): ReactNode {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}
