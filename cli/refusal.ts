/** Why a command cannot go on and what to do next, in one sentence for a person: it ends with status 2. */
export class Refusal extends Error {}
