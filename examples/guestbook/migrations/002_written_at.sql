ALTER TABLE entries ADD COLUMN written_at timestamptz NOT NULL DEFAULT now()
