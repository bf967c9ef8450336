/** A package-lock.json, as far as it matters here. */
export interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>>; readonly dev?: true }>
  >
}

/** Optional packages that a package of the lock file wants and the lock file does not name. */
export function missingFrom(lock: Lock): readonly { readonly name: string; readonly version: string; readonly dev: boolean }[]
