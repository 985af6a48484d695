import type { NextFunction, Request, Response } from 'express';

/** Something that the caller is told, with its status. */
export class HttpProblem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly problems?: Record<string, string>,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A service that the shop needs did not do its part. */
export function upstream(service: string, cause: unknown): HttpProblem {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new HttpProblem(502, `${service} failed: ${why}`, undefined, { cause });
}

/** The number in a path such as `/orders/12`. */
export function idOf(request: Request): number {
  const id = Number(request.params.id);
  if (!Number.isInteger(id) || id < 1 || id > 2_147_483_647) throw new HttpProblem(404, 'There is no such thing.');
  return id;
}

export function answerProblem(error: unknown, _request: Request, response: Response, next: NextFunction): void {
  if (response.headersSent) {
    next(error);
    return;
  }
  if (error instanceof HttpProblem) {
    if (error.status >= 500) console.error(error);
    response.status(error.status).json({ message: error.message, problems: error.problems });
    return;
  }
  // What Express itself refuses (unreadable JSON, a body too large) carries its status.
  const status = (error as { status?: unknown } | null)?.status;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    response.status(status).json({ message: 'The request cannot be read.' });
    return;
  }
  console.error(error);
  response.status(500).json({ message: 'The shop made a mistake; its log says which.' });
}
