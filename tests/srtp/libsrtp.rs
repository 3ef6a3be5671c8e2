//! libsrtp2 as a second opinion, where the machine has it: found at run time, so that nothing is linked to it.
//!
//! Owns the C interface, as much of it as is asked here, and the `unsafe` around it. Read first: srtp.h of libsrtp 2.

#![allow(dead_code, reason = "tests and the bench each ask for a part of it")]
#![allow(unsafe_code, reason = "a C library has no safe face; each block is proven beside it")]

use std::ffi::{CStr, c_int, c_uint, c_ulong, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::OnceLock;

use ringfence::media::srtp::{MasterKey, Suite};

/// `srtp_crypto_policy_t`; the library fills it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CryptoPolicy {
    cipher_type: u32,
    cipher_key_len: c_int,
    auth_type: u32,
    auth_key_len: c_int,
    auth_tag_len: c_int,
    sec_serv: c_int,
}

/// `srtp_policy_t`.
#[repr(C)]
struct Policy {
    ssrc_type: c_int,
    ssrc_value: c_uint,
    rtp: CryptoPolicy,
    rtcp: CryptoPolicy,
    key: *const u8,
    keys: *const c_void,
    num_master_keys: c_ulong,
    deprecated_ekt: *const c_void,
    window_size: c_ulong,
    allow_repeat_tx: c_int,
    enc_xtn_hdr: *const c_int,
    enc_xtn_hdr_count: c_int,
    next: *const Policy,
}

// SAFETY: types alone; each call is proven where it is made.
type Transform = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_int) -> c_int;
type Create = unsafe extern "C" fn(*mut *mut c_void, *const Policy) -> c_int;
type Dealloc = unsafe extern "C" fn(*mut c_void) -> c_int;
type SetRoc = unsafe extern "C" fn(*mut c_void, u32, u32) -> c_int;
type Start = unsafe extern "C" fn() -> c_int;
type SetPolicy = unsafe extern "C" fn(*mut CryptoPolicy);

/// The functions of the library.
pub struct Library {
    create: Create,
    dealloc: Dealloc,
    set_roc: SetRoc,
    /// `protect`, `unprotect`, `protect_rtcp`, `unprotect_rtcp`.
    transforms: [Transform; 4],
    /// In the order of [`Suite::ALL`].
    policies: [SetPolicy; 6],
}

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Inbound,
    Outbound,
}

/// `srtp_err_status_replay_fail`.
pub const REPLAYED: c_int = 9;
/// `srtp_err_status_replay_old`.
pub const LATE: c_int = 10;
/// `srtp_err_status_auth_fail`.
pub const UNAUTHENTIC: c_int = 7;

impl Library {
    /// The library, started once; `None` on a machine that lacks it.
    pub fn open() -> Option<&'static Self> {
        static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
        LIBRARY.get_or_init(Self::load).as_ref()
    }

    fn load() -> Option<Self> {
        // SAFETY: the name is a C string; the handle is never closed, so that every symbol stays.
        let handle = unsafe { libc::dlopen(c"libsrtp2.so.1".as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() {
            return None;
        }
        let find = |name: &CStr| {
            // SAFETY: the handle is open, and the name a C string.
            let symbol = unsafe { libc::dlsym(handle, name.as_ptr()) };
            (!symbol.is_null()).then_some(symbol)
        };
        let transform = |name: &CStr| {
            // SAFETY: srtp.h declares these four as (srtp_t, void *, int *) -> enum.
            find(name).map(|symbol| unsafe { transmute::<*mut c_void, Transform>(symbol) })
        };
        let policy = |name: &CStr| {
            // SAFETY: srtp.h declares these as (srtp_crypto_policy_t *) -> void.
            find(name).map(|symbol| unsafe { transmute::<*mut c_void, SetPolicy>(symbol) })
        };
        // SAFETY: srtp.h declares it as (srtp_t *, const srtp_policy_t *) -> enum.
        let create = unsafe { transmute::<*mut c_void, Create>(find(c"srtp_create")?) };
        // SAFETY: srtp.h declares it as (srtp_t) -> enum.
        let dealloc = unsafe { transmute::<*mut c_void, Dealloc>(find(c"srtp_dealloc")?) };
        // SAFETY: srtp.h declares it as (srtp_t, uint32_t, uint32_t) -> enum.
        let set_roc = unsafe { transmute::<*mut c_void, SetRoc>(find(c"srtp_set_stream_roc")?) };
        // SAFETY: srtp.h declares it as (void) -> enum; it runs once, under the lock of the cell, before anything else.
        let started = unsafe { transmute::<*mut c_void, Start>(find(c"srtp_init")?)() };
        assert_eq!(started, 0, "libsrtp starts");
        Some(Self {
            create,
            dealloc,
            set_roc,
            transforms: [
                transform(c"srtp_protect")?,
                transform(c"srtp_unprotect")?,
                transform(c"srtp_protect_rtcp")?,
                transform(c"srtp_unprotect_rtcp")?,
            ],
            policies: [
                policy(c"srtp_crypto_policy_set_rtp_default")?,
                policy(c"srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32")?,
                policy(c"srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80")?,
                policy(c"srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32")?,
                policy(c"srtp_crypto_policy_set_aes_gcm_128_16_auth")?,
                policy(c"srtp_crypto_policy_set_aes_gcm_256_16_auth")?,
            ],
        })
    }

    /// A session under one key for any source; `None` for a suite that the library was built without.
    pub fn session(&'static self, key: &MasterKey, way: Way, window: u32) -> Option<Session> {
        let place = |wanted: Suite| Suite::ALL.iter().position(|suite| *suite == wanted).expect("it is one");
        // RFC 4568 §6.2.2: SRTCP has the long tag.
        let long = match key.suite() {
            Suite::AesCm128HmacSha1T32 => Suite::AesCm128HmacSha1T80,
            Suite::AesCm256HmacSha1T32 => Suite::AesCm256HmacSha1T80,
            Suite::AesCm128HmacSha1T80
            | Suite::AesCm256HmacSha1T80
            | Suite::AeadAes128Gcm
            | Suite::AeadAes256Gcm => key.suite(),
        };
        let (mut rtp, mut rtcp) = (CryptoPolicy::default(), CryptoPolicy::default());
        // SAFETY: each function writes one policy, and the two are ours.
        unsafe {
            self.policies[place(key.suite())](&mut rtp);
            self.policies[place(long)](&mut rtcp);
        }
        let policy = Policy {
            // ssrc_any_inbound, ssrc_any_outbound.
            ssrc_type: if way == Way::Inbound { 2 } else { 3 },
            ssrc_value: 0,
            rtp,
            rtcp,
            key: key.expose().as_ptr(),
            keys: ptr::null(),
            num_master_keys: 0,
            deprecated_ekt: ptr::null(),
            window_size: window.into(),
            allow_repeat_tx: 0,
            enc_xtn_hdr: ptr::null(),
            enc_xtn_hdr_count: 0,
            next: ptr::null(),
        };
        let mut context = ptr::null_mut();
        // SAFETY: the policy is a whole srtp_policy_t whose key has the suite's length; both outlive the call, which
        // copies what it keeps.
        let status = unsafe { (self.create)(&mut context, &policy) };
        (status == 0 && !context.is_null()).then_some(Session { library: self, context })
    }
}

/// A session of libsrtp.
pub struct Session {
    library: &'static Library,
    context: *mut c_void,
}

impl Session {
    fn run(&mut self, transform: usize, buffer: &mut [u8], octets: usize) -> Result<usize, c_int> {
        // The library writes a trailer of up to 20 octets behind what it is given and looks at no end of a buffer.
        assert!(octets + 20 <= buffer.len() && octets >= 8);
        let mut length = c_int::try_from(octets).expect("a packet is short");
        // SAFETY: the context is live until drop; the buffer has room for the longest trailer, which was asserted.
        let status = unsafe {
            self.library.transforms[transform](self.context, buffer.as_mut_ptr().cast(), &mut length)
        };
        if status == 0 { Ok(usize::try_from(length).expect("it is not negative")) } else { Err(status) }
    }

    /// Protects the RTP packet in the first octets of the buffer.
    pub fn protect(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, c_int> {
        self.run(0, buffer, octets)
    }

    /// Opens the SRTP packet in the first octets of the buffer.
    pub fn unprotect(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, c_int> {
        self.run(1, buffer, octets)
    }

    /// Protects the RTCP packet in the first octets of the buffer.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, c_int> {
        self.run(2, buffer, octets)
    }

    /// Opens the SRTCP packet in the first octets of the buffer.
    pub fn unprotect_rtcp(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, c_int> {
        self.run(3, buffer, octets)
    }

    /// Sets the roll-over counter of a source that has had a packet.
    pub fn set_roll_over(&mut self, ssrc: u32, roll_over: u32) -> Result<(), c_int> {
        // SAFETY: the context is live until drop.
        match unsafe { (self.library.set_roc)(self.context, ssrc, roll_over) } {
            0 => Ok(()),
            status => Err(status),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the context came from create and is given back once.
        unsafe { (self.library.dealloc)(self.context) };
    }
}
