//! Seven files that crash Automerge itself, for every reader of ours.

use tidegate::codec::{
    EnrollCode, SecretKey, ServerCertificate, SignedChangeSet, ToDevice, ToServer, decode_edits,
    decode_message, decode_records_up_to,
};
use tidegate::sync::Grant;

use crate::server::{body_of, signed};

const FILES: [&[u8]; 7] = [
    include_bytes!("automerge/crash-2a95959db8a514a70c1eb371617638edffe08938"),
    include_bytes!("automerge/crash-52e699fd57cadc970c7100a1e3d60f922f087b70"),
    include_bytes!("automerge/crash-69f34e1b1d71decba1dc8af35fd157cbfad88305"),
    include_bytes!("automerge/crash-ab71539c0baefbe9ce597a7f4701db7de86d94dd"),
    include_bytes!("automerge/crash-ae98ac787fef273d0694eeac4ff33155cf45a52b"),
    include_bytes!("automerge/crash-e505195323d8be5e2fea2f2c48c07318c0dcbad1"),
    include_bytes!("automerge/sync-bloom"),
];

#[cfg_attr(test, test)]
pub(crate) fn what_crashes_automerge_is_refused_by_every_reader() {
    let key = SecretKey::from_seed([1; 32]);
    for file in FILES {
        assert!(decode_edits(file).is_err());
        assert!(decode_records_up_to(file, usize::MAX).is_err());
        assert!(decode_message::<ToServer>(file).is_err());
        assert!(decode_message::<ToDevice>(file).is_err());
        assert!(EnrollCode::from_bytes(file).is_err());
        assert!(ServerCertificate::from_bytes(file).is_err());
        assert!(Grant::open(file, &key.public()).is_err());
        if let Ok(set) = postcard::from_bytes::<SignedChangeSet>(file) {
            assert!(
                set.claimed_device().is_err() && set.open(&key.public(), &key.public()).is_err()
            );
        }
        // As what a device signed, and as the edits in it.
        assert!(
            signed(&key, &key.public(), file.to_vec()).open(&key.public(), &key.public()).is_err()
        );
        assert!(
            signed(&key, &key.public(), body_of(file, None))
                .open(&key.public(), &key.public())
                .is_err()
        );
        let versioned = [&[1][..], file].concat();
        assert!(decode_message::<ToServer>(&versioned).is_err());
        assert!(decode_message::<ToDevice>(&versioned).is_err());
    }
}
