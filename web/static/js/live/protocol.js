/**
 * The messages of signaling/PROTOCOL.md, as types. Nothing here runs.
 *
 * @typedef {"host" | "applicant" | "far_end" | "joint" | "helper" | "observer"} SeatRole
 * @typedef {"on" | "off" | "missing"} DeviceState
 *
 * @typedef {object} Person
 * @property {string} seat_id
 * @property {SeatRole} role
 * @property {string} name
 * @property {string} title
 * @property {boolean} present
 * @property {boolean} admitted
 * @property {DeviceState} microphone
 * @property {DeviceState} camera
 * @property {boolean} muted           muted by the host, on the server
 * @property {boolean} hand
 * @property {"none" | "connecting" | "connected" | "lost"} link
 * @property {string[]} unseen_by  seats whose browsers cannot show this person's picture
 *
 * @typedef {object} Trouble         the recording does not reach the disk
 * @property {string} error
 * @property {string | null} since
 * @property {number | null} saved_ms  everything before is safe
 * @property {number | null} room_s    for how long memory holds what comes, null when not known
 * @property {boolean} losing          it holds no more
 * @property {string | null} mended_at  the recording goes on; lost_ms is missing
 * @property {[number, number] | null} lost_ms
 *
 * @typedef {object} Recess
 * @property {string} since
 * @property {string} by      a name; empty when not known
 * @property {string} reason  may be empty
 *
 * @typedef {object} HostAwaited  no host is there
 * @property {string} since
 * @property {string} ends_at  when the hearing ends unless one comes
 *
 * @typedef {object} RoomMessage
 * @property {"room"} type
 * @property {"waiting" | "in_session" | "ended"} phase
 * @property {string} you
 * @property {Person[]} people
 * @property {string | null} started_at
 * @property {number | null} elapsed_ms
 * @property {number | null} saved_ms
 * @property {string} prompt
 * @property {Trouble | null} trouble
 * @property {Recess | null} recess  the hearing rests
 * @property {HostAwaited | null} host_awaited
 *
 * @typedef {object} OfferMessage
 * @property {"offer"} type
 * @property {number} offer_id
 * @property {string} sdp
 * @property {Record<string, string>} streams  mid -> seat
 *
 * @typedef {object} SavedMessage
 * @property {"saved"} type
 * @property {number} elapsed_ms
 * @property {number} saved_ms
 *
 * @typedef {object} Measured
 * @property {number} loss_pct
 * @property {number | null} rtt_ms      null when not known
 * @property {number} kbps
 * @property {number} level             0 to 100
 * @property {number | null} jitter_ms   null when not known
 * @property {boolean} sound_alone       no pictures come to this person, for want of a line that carries them
 * @property {boolean} fewer_pictures    fewer a second come of somebody, for the same reason
 *
 * @typedef {object} StatsMessage
 * @property {"stats"} type
 * @property {Record<string, Measured>} people
 *
 * @typedef {object} WordMessage
 * @property {"word"} type
 * @property {number} number    counts all words of the hearing from 1; not all of them are for everybody
 * @property {string} from
 * @property {string} name
 * @property {string} text
 * @property {string} at
 *
 * @typedef {object} WordsMessage    what was written before this page came (back)
 * @property {"words"} type
 * @property {WordMessage[]} said
 *
 * @typedef {object} NoticeMessage
 * @property {"notice"} type
 * @property {string} topic
 * @property {Record<string, unknown>} data
 *
 * @typedef {object} RefusedMessage
 * @property {"refused"} type
 * @property {string} code
 * @property {Record<string, unknown>} params
 *
 * @typedef {object} ClosingMessage
 * @property {"closing"} type
 * @property {string} reason
 * @property {boolean} retry
 *
 * @typedef {RoomMessage | OfferMessage | SavedMessage | StatsMessage | WordMessage | WordsMessage | NoticeMessage | RefusedMessage
 *   | ClosingMessage} ServerMessage
 *
 * @typedef {{type: "answer", offer_id: number, sdp: string}
 *   | {type: "devices", microphone: DeviceState, camera: DeviceState}
 *   | {type: "admit", seat_id: string}
 *   | {type: "send_back", seat_id: string}
 *   | {type: "mute", seat_id: string, muted: boolean}
 *   | {type: "prompt", text: string}
 *   | {type: "pause", reason: string}
 *   | {type: "resume"}
 *   | {type: "hand", raised: boolean}
 *   | {type: "word", text: string}
 *   | {type: "quality", freezes: number, frozen_ms: number}
 *   | {type: "record_again"}
 *   | {type: "leave"}
 *   | {type: "end"}} ClientMessage
 */
export {};
