/** What Pods say of themselves by annotation frp.io/profile, and what it means for requests. What it means for tunnels: src/frp/tuning.ts. */
export const requestTimeouts = {
  // A model of 70B is loaded for minutes before the first token.
  ollama: '10m',
} as const satisfies Record<string, string>;

export type ProfileName = keyof typeof requestTimeouts;

export const isProfile = (text: string): text is ProfileName => Object.hasOwn(requestTimeouts, text);
