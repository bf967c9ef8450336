/** In the place of a conversation in which nothing was said yet. */
import { useSession } from 'polylogue/react'
import type { ReactNode } from 'react'
import { Icon } from '../icons.tsx'

export interface WelcomeProps {
  /** What one should know of this conversation. */
  readonly about: string
  /** What one may want to say: a press sends it. */
  readonly suggestions: readonly string[]
}

export function Welcome({ about, suggestions }: WelcomeProps): ReactNode {
  const session = useSession()
  return (
    <div className="welcome">
      <h2>How can we help?</h2>
      <p className="muted">{about}</p>
      <ul>
        {suggestions.map((text) => (
          <li key={text}>
            <button type="button" className="suggestion" onClick={() => void session.send(text)}>
              {text}
              <Icon name="send" size={16} />
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
