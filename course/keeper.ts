import type { Course, CourseRecord } from "./contract.ts";
import { changeRecord, type RecordStore, readRecord } from "./record.ts";

type Change = (record: CourseRecord) => CourseRecord;

/** The course's record while much happens at once: changes are written one after the other, several in one write. */
export class RecordKeeper {
  readonly #course: Course;
  readonly #store: RecordStore | undefined;
  #record: CourseRecord;
  #waiting: Change[] = [];
  #writing: Promise<void> = Promise.resolve();

  static async open(course: Course, store?: RecordStore): Promise<RecordKeeper> {
    return new RecordKeeper(course, await readRecord(course, store), store);
  }

  constructor(course: Course, record: CourseRecord, store?: RecordStore) {
    this.#course = course;
    this.#record = record;
    this.#store = store;
  }

  /** As it was read or written last. */
  get record(): CourseRecord {
    return this.#record;
  }

  /** Changes the record; `change` must be pure. Returns when it is written, with what others have written meanwhile. */
  async change(change: Change): Promise<CourseRecord> {
    this.#waiting.push(change);
    const before = this.#writing;
    // Whoever comes while a write is under way goes into the next one, all together.
    this.#writing = before
      .catch(() => undefined)
      .then(async () => {
        const changes = this.#waiting.splice(0);
        if (changes.length === 0) return;
        const all: Change = (record) => changes.reduce((made, each) => each(made), record);
        try {
          this.#record = await changeRecord(this.#course, all, this.#store);
        } catch (error) {
          // Others' changes were among them: the next write, which they wait for, takes all of them again.
          this.#waiting.unshift(...changes);
          throw error;
        }
      });
    await this.#writing;
    return this.#record;
  }
}
