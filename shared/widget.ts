/**
 * What the widget's three places say to each other: the loader in a page of somebody's, the page in its frame, the server.
 *
 * Loader and page talk by `postMessage`, each naming the other's origin exactly and looking at the sender of what comes.
 */

/** Version of these messages, the field `polylogue` of each. */
export const WIDGET_VERSION = 1

/** Path of the page in the frame: `?key=KEY&host=ORIGIN`. */
export const WIDGET_PAGE = '/widget'

/** The server's paths. */
export const WIDGET_PATHS: Readonly<Record<'loader' | 'element' | 'page' | 'token', string>> = {
  /** Script: the launcher and its panel. */
  loader: '/widget.js',
  /** Script: the element `<polylogue-chat>`. */
  element: '/polylogue-chat.js',
  page: WIDGET_PAGE,
  /** `POST`: a token for the page in the frame. `DELETE`: a visitor has signed out. */
  token: '/widget/token',
}

/** Why there is no chat. */
export type WidgetRefusal =
  /** The server does not know the key, or does not any more. */
  | 'unknown-key'
  /** The key is for other pages. */
  | 'wrong-origin'
  /** The page was asked for other than by a frame. */
  | 'not-framed'
  /** The token of the signed-in user is not valid, names no session, or is no user's. */
  | 'bad-user'
  /** The conversation was taken away from this visitor. */
  | 'revoked'

/** Why something did not work; the last three may work later. `unsent`: a text that was to be sent, and comes back. */
export type WidgetErrorReason = WidgetRefusal | 'identity' | 'unavailable' | 'unsent'

/** What a page gives for its looks. */
export interface WidgetLooks {
  readonly title: string
  /** A language tag, such as `de`. */
  readonly locale: string
  readonly theme: 'auto' | 'light' | 'dark'
}

/** What is told of a message; what it says stays in the frame. */
export interface WidgetMessage {
  readonly id: string
  readonly from: 'user' | 'agent' | 'support'
  /** Name of the author. */
  readonly name: string
  /** Written by the visitor, on whatever device. */
  readonly mine: boolean
}

/** From the page in the frame to the loader. */
export type FrameMessage =
  /** Sent until it is answered: the loader may not listen yet. */
  | { readonly t: 'hello' }
  /** The conversation can be read and written. */
  | { readonly t: 'ready' }
  | { readonly t: 'refused'; readonly reason: WidgetRefusal }
  | { readonly t: 'unread'; readonly count: number }
  | { readonly t: 'message'; readonly message: WidgetMessage }
  | { readonly t: 'error'; readonly reason: WidgetErrorReason; readonly text: string; readonly unsent?: string }
  | { readonly t: 'close' }
  /** Wants the token of the user who is signed in. */
  | { readonly t: 'user'; readonly n: number }
  /** Signed out; `all`: everything of this visitor is gone from the device. */
  | { readonly t: 'wiped'; readonly all: boolean }

/** From the loader to the page in the frame. */
export type HostMessage =
  /** `wipe`: somebody has signed out whom the frame has not heard of, so that what is on the device goes first. */
  | {
      readonly t: 'init'
      readonly looks: WidgetLooks
      readonly shown: boolean
      readonly hasUser: boolean
      readonly wipe?: boolean
    }
  | { readonly t: 'shown'; readonly shown: boolean }
  /** Another user, or none, from now on. */
  | { readonly t: 'identify'; readonly hasUser: boolean }
  | { readonly t: 'user'; readonly n: number; readonly token: string | null }
  | { readonly t: 'send'; readonly text: string }
  | { readonly t: 'wipe' }

/** Reads a message of the other side; null for whatever else comes to a window. */
export function readWidgetMessage<T extends FrameMessage | HostMessage>(data: unknown): T | null {
  const message = data as { polylogue?: unknown; t?: unknown } | null
  return typeof message === 'object' && message?.polylogue === WIDGET_VERSION && typeof message.t === 'string'
    ? (data as T)
    : null
}

/** What the frame asks the server for. */
export interface TokenRequest {
  readonly key: string
  /** Origin of the page that the frame is in. */
  readonly host: string
  /** What the server gave this visitor before. */
  readonly visitor?: string
  /** The token of a signed-in user, from the backend of the page. */
  readonly user?: string
}

export interface TokenAnswer {
  readonly token: string
  readonly session: string
  /** Of somebody who is not signed in: what to keep, and show the next time. A secret. */
  readonly visitor?: string
}
