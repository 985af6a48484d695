// The shop's files, in its own bucket. The SDK is heavy and loaded when it is first needed.
import type { S3Client } from '@aws-sdk/client-s3';
import { attachmentHeader } from '@shop/common';
import type { Config } from '../config.js';

const TICKET_SECONDS = 600;

export class Storage {
  #client: Promise<S3Client> | undefined;

  constructor(private readonly config: Config['s3']) {}

  private client(): Promise<S3Client> {
    this.#client ??= this.connect();
    return this.#client;
  }

  private async connect(): Promise<S3Client> {
    const { S3Client } = await import('@aws-sdk/client-s3');
    const { endpoint, region, accessKey, secretKey, forcePathStyle } = this.config;
    return new S3Client({
      endpoint,
      region,
      forcePathStyle,
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
      // A presigned PUT must not carry the checksum of an empty body: the browser sends another one.
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
  }

  /** An address to which exactly `size` bytes may be put as `key`. */
  async uploadUrl(key: string, type: string, size: number): Promise<string> {
    const [{ PutObjectCommand }, { getSignedUrl }] = await Promise.all([
      import('@aws-sdk/client-s3'),
      import('@aws-sdk/s3-request-presigner'),
    ]);
    const command = new PutObjectCommand({ Bucket: this.config.bucket, Key: key, ContentType: type, ContentLength: size });
    return getSignedUrl(await this.client(), command, { expiresIn: TICKET_SECONDS });
  }

  /** An address from which `key` is downloaded under `name`. */
  async downloadUrl(key: string, name: string): Promise<string> {
    const [{ GetObjectCommand }, { getSignedUrl }] = await Promise.all([
      import('@aws-sdk/client-s3'),
      import('@aws-sdk/s3-request-presigner'),
    ]);
    const command = new GetObjectCommand({
      Bucket: this.config.bucket,
      Key: key,
      // Never shown in the bucket's origin: an uploaded page would run there.
      ResponseContentDisposition: attachmentHeader(name),
    });
    return getSignedUrl(await this.client(), command, { expiresIn: TICKET_SECONDS });
  }

  /** Size in bytes of the object `key`, or nothing when there is none. */
  async size(key: string): Promise<number | undefined> {
    const { HeadObjectCommand } = await import('@aws-sdk/client-s3');
    try {
      const head = await (await this.client()).send(new HeadObjectCommand({ Bucket: this.config.bucket, Key: key }));
      return head.ContentLength ?? 0;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async put(key: string, body: Uint8Array, type: string): Promise<void> {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3');
    await (await this.client()).send(
      new PutObjectCommand({ Bucket: this.config.bucket, Key: key, Body: body, ContentType: type }),
    );
  }

  /** The whole object `key`, or nothing when there is none. */
  async get(key: string): Promise<Uint8Array | undefined> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    try {
      const got = await (await this.client()).send(new GetObjectCommand({ Bucket: this.config.bucket, Key: key }));
      return await got.Body?.transformToByteArray();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

function isMissing(error: unknown): boolean {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode === 404;
}
