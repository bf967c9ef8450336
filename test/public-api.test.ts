/** The names that each entry of the package exports: a new one is a promise, a missing one breaks somebody. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** Entry, then what it exports: values first, then types. */
const API: Readonly<Record<string, { readonly values: string; readonly types: string }>> = {
  'client/index.ts': {
    values: 'SessionError hasEnded openSession textOf',
    types: `
      CallState CancelTarget ClientTool CloseReason ConnectionState Delivery ErrorCode Holder InputVerdict Lane Message
      MessageMetadata MessagePart MissingFields MissingMessage OpenOptions OpenSession Participant ParticipantKind
      Pause Presence PresentParticipant Reference RefusedWrites Report Run RunStatus RunVerdict SendOptions Session
      SessionStatus SessionView
      SharedObject Siblings Step StepStatus TextPart ToolPart Topic`,
  },
  'client/react.tsx': {
    values: `
      SessionProvider useHolder useMe useMessage useMessageIds useObject useOpenSession useParticipants usePaused
      usePresence useRun useRuns useSession useSiblings useStatus`,
    types: 'SessionProviderProps',
  },
  'client/ai-sdk.ts': {
    values: 'SessionChat createChatTransport sessionChat useSessionChat',
    types: 'SessionChatOptions SessionTransport UseSessionChatOptions',
  },
  'client/push.ts': {
    values: 'renewPush subscribeToPush unsubscribeFromPush',
    types: 'NoticeKind NoticePayload PushOptions PushState',
  },
  'client/agent.ts': {
    values: 'SessionError createAgent textOf',
    types: `
      Agent AgentOptions AgentRun ApprovalRequest Message ModelMessage ModelStream Session SpawnEnd SpawnedRun
      StepHandle StreamEnd StreamOptions Usage`,
  },
  'client/widget.ts': {
    values: 'connectWidget',
    types: 'Widget WidgetLooks WidgetRefusal WidgetState',
  },
  'server/index.ts': {
    values: 'DamagedSession LIMITS memoryStore mintToken serve sqliteStore',
    types: `
      AccessOptions ApprovalAnswer Batch CancelRequest Hold Job Limits LogEntry MayApprove MayCancel NewJob Notice
      NoticeKind PushOptions Rate
      RevokeTarget Route RoutedInput RunningServer ServeOptions SqliteStoreOptions Store StoredBlob StoredSession
      Subscriber TokenClaims VapidKeys WakeTarget WakeTargets WidgetKey WidgetOptions`,
  },
}

const words = (text: string): string[] => text.trim().split(/\s+/).sort()

/** Names of the types that a source exports, by declaration or by name. */
function exportedTypes(path: string): string[] {
  const source = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  const declared = [...source.matchAll(/^export (?:interface|type) (\w+)/gm)].map(([, name]) => name ?? '')
  const lists = [...source.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, onlyTypes, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && (onlyTypes !== undefined || name.startsWith('type ')))
      .map((name) => name.replace(/^type /, '')),
  )
  return [...declared, ...lists].sort()
}

test.for(Object.entries(API))('%s exports what is listed here', async ([path, { values, types }]) => {
  const entry = (await import(new URL(`../${path}`, import.meta.url).href)) as object
  expect(Object.keys(entry).sort()).toEqual(words(values))
  expect(exportedTypes(path)).toEqual(words(types))
})

test('every entry of package.json is listed here', () => {
  const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    exports: Record<string, string>
  }
  const built = Object.values(exports).filter((path) => path.endsWith('.js'))
  const sources = built.map((path) => path.replace(/^\.\/dist\/|\.js$/g, ''))
  expect(sources.sort()).toEqual(
    Object.keys(API)
      .map((path) => path.replace(/\.tsx?$/, ''))
      .sort(),
  )
})
