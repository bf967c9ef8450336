/**
 * The tools that ask people before they do something, in words: for the model that calls them and, the same, for the people
 * who see what it wants to do. No imports but types, so that the web app may use it.
 */

/** Above this a return is opened only after a yes, in cents. */
export const RETURN_ASKS_ABOVE_CENTS = 20_000
/** Above this money is paid back only after a yes, in cents. */
export const REFUND_ASKS_ABOVE_CENTS = 5_000

/**
 * The reason of a yes that counts for more than the one call. It stands in the document by the server's hand, with who said it,
 * so an agent may rely on it as it does on the yes.
 */
export const FOR_SESSION = 'for this conversation'

export interface AskedInput {
  readonly name: string
  /** What it is, for model and people. */
  readonly what: string
  /** How a number is shown to people: as it is, or as money. */
  readonly as?: 'cents'
}

export interface AskedTool {
  /** What people are asked. */
  readonly title: string
  readonly description: string
  readonly inputs: readonly AskedInput[]
  /** A yes may count for later calls too, up to the same amount. */
  readonly forSession: boolean
}

type AskedName = 'processReturn' | 'refund'

export const ASKED: Readonly<Record<AskedName, AskedTool>> = {
  processReturn: {
    title: 'Cancel the order and take it back?',
    description: 'Opens the return of an eligible order and promises its refund.',
    inputs: [{ name: 'orderId', what: 'number of the order' }],
    forSession: false,
  },
  refund: {
    title: 'Pay money back?',
    description: 'Pays back a part of what an order cost; the customer keeps the things.',
    inputs: [
      { name: 'orderId', what: 'number of the order' },
      { name: 'amountCents', what: 'how much to pay back', as: 'cents' },
      { name: 'reason', what: 'why, in a few words' },
    ],
    forSession: true,
  },
}

/** What an input is, for the model. */
export function whatIs(tool: AskedName, input: string): string {
  const words = ASKED[tool].inputs.find(({ name }) => name === input)
  return words === undefined ? input : `${words.what}${words.as === 'cents' ? ', in US cents' : ''}`
}
