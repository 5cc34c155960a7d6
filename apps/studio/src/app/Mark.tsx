/** Antiphon's sign: a call and its answer. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M9 13.5a7 7 0 0 1 7-5M23 18.5a7 7 0 0 1-7 5" />
      <circle cx="16" cy="16" r="2.6" />
    </svg>
  );
}
