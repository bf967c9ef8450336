/**
 * Path of the Chromium for the end-to-end tests: what CHROMIUM_PATH names, or what `npm test` has found, or what is on this
 * machine.
 * @throws when there is none, with what to do
 */
export function findChromium(): string
